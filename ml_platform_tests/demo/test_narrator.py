"""What a person is told while work goes on."""

import io
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from ml_platform.demo.narrator import Narrator


def narrated(*, heartbeat_seconds: float = 60) -> tuple[Narrator, io.StringIO]:
    """A narrator of two stages that writes plain lines, and what it has written."""
    file = io.StringIO()
    return Narrator(Console(file=file, width=200), 2, heartbeat_seconds=heartbeat_seconds), file


def test_a_stage_is_one_line_at_its_start_and_one_at_its_end() -> None:
    narrator, file = narrated()
    with narrator.stage("Land"):
        pass
    first, last = file.getvalue().splitlines()
    assert first == "[1/2] Land"
    assert last.startswith("[1/2] Land: done in 0.")


def test_a_long_stage_gives_signs_of_life_with_its_latest_note() -> None:
    narrator, file = narrated(heartbeat_seconds=0.01)
    with narrator.stage("Land"):
        narrator.note("3 of 7 objects")
        time.sleep(0.2)
    assert "[1/2] Land: 0 s, 3 of 7 objects" in file.getvalue()


def test_a_note_does_not_outlive_its_stage() -> None:
    narrator, file = narrated(heartbeat_seconds=0.01)
    with narrator.stage("Land"):
        narrator.note("old")
    with narrator.stage("Clean"):
        time.sleep(0.1)
    assert "old" not in file.getvalue().partition("Clean")[2]


def test_a_stage_that_fails_says_so_and_passes_its_error_on() -> None:
    narrator, file = narrated()
    with pytest.raises(ValueError, match="broken"), narrator.stage("Land"):
        raise ValueError("broken")
    assert "[1/2] Land: stopped after 0." in file.getvalue()


NOISY = """
import os, sys
from pathlib import Path
from ml_platform.demo.narrator import printing_into, standing_console
console = standing_console()
with printing_into(Path(sys.argv[1])):
    print("noise of this process")
    os.system("echo noise of a child >&2")
    console.print("told")
print("afterwards")
"""


def test_what_libraries_print_goes_into_a_file_and_the_narrator_is_heard(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOISY, str(tmp_path / "log")], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("told\nafterwards\n", "")
    assert sorted((tmp_path / "log").read_text().splitlines()) == ["noise of a child", "noise of this process"]
