"""docs/tutorial.md, executed line by line: files are saved, edits made, and what is printed is what the page says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ml_platform.settings import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "--- end of command"


class Block(NamedTuple):
    """A fenced part of the page: what kind it is, the file it is about, its text."""

    kind: str
    file: str
    text: str


def blocks() -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(PAGE.read_text())]


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console, with what it prints."""
    for part in text.split("$ ")[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


def edit(path: Path, text: str) -> None:
    """Put the lines that are added in the place of those that are taken away, which stand there once."""
    lines = text.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] in (" ", sign)) for sign in "-+")
    before = path.read_text()
    assert before.count(old) == 1, f"{path.name} does not have these lines once: {old}"
    path.write_text(before.replace(old, new))


class Shell:
    """A shell that is told one command after the other."""

    def __init__(self, folder: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        pipe = subprocess.PIPE
        self._bash = subprocess.Popen(
            ["bash"], cwd=folder, env={**os.environ, "PATH": path}, stdin=pipe, stdout=pipe, text=True
        )

    def run(self, command: str) -> str:
        """What it prints; its exit code is 0."""
        assert self._bash.stdin
        assert self._bash.stdout
        self._bash.stdin.write(f"{command}\necho '{END}' $?\n")
        self._bash.stdin.flush()
        printed = []
        while not (line := self._bash.stdout.readline()).startswith(END):
            assert line, f"the shell ended in {command}"
            printed.append(line)
        assert line.split()[-1] == "0", f"{command} ended with exit code {line.split()[-1]}: {''.join(printed)}"
        return "".join(printed)

    def close(self) -> None:
        self._bash.communicate()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / "use_cases").mkdir()
    opened = Shell(tmp_path)
    yield opened
    opened.close()


def as_pattern(printed: str) -> str:
    """`...` is anything; spaces at the ends of lines do not count."""
    return re.escape(printed.rstrip()).replace(re.escape("..."), ".*")


def test_every_line_of_the_tutorial_does_what_the_page_says(shell: Shell, tmp_path: Path) -> None:
    for block in blocks():
        if block.kind == "python":
            (tmp_path / block.file).write_text(block.text)
        elif block.kind == "diff":
            edit(tmp_path / block.file, block.text)
        elif block.kind == "console":
            for command, expected in commands(block.text):
                printed = "\n".join(line.rstrip() for line in shell.run(command).splitlines())
                assert re.fullmatch(as_pattern(expected), printed.rstrip(), re.DOTALL), f"{command} printed:\n{printed}"


def test_the_page_has_commands_an_edit_and_files() -> None:
    assert {"sh", "console", "python", "diff"} == {block.kind for block in blocks()}
