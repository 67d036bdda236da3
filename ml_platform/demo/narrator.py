"""Telling a person how far a long piece of work has come: a live line on a terminal, plain lines elsewhere."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rich.console import Console

SECONDS_BETWEEN_LINES = 15.0
SECONDS_BETWEEN_REDRAWS = 1.0


class Narrator:
    """Says when each stage begins and ends, and that it is alive in between."""

    def __init__(self, console: Console, stages: int, *, heartbeat_seconds: float | None = None) -> None:
        self._console = console
        self._stages = stages
        self._begun = 0
        default = SECONDS_BETWEEN_REDRAWS if console.is_terminal else SECONDS_BETWEEN_LINES
        self._heartbeat_seconds = default if heartbeat_seconds is None else heartbeat_seconds
        self._detail = ""

    def note(self, detail: str) -> None:
        """What the stage is doing right now, to be told with its next sign of life."""
        self._detail = detail

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """One stage, from its first line to its last; an error that passes through is told as its end."""
        self._begun += 1
        self._detail = ""
        label = f"[{self._begun}/{self._stages}] {title}"
        started, stop = time.monotonic(), threading.Event()
        status = self._console.status(label, spinner="dots") if self._console.is_terminal else nullcontext()
        if not self._console.is_terminal:
            self._say(label)
        with status:
            heart = threading.Thread(target=self._beat, args=(label, started, stop, status), daemon=True)
            heart.start()
            ended = "stopped after"
            try:
                yield
                ended = "done in"
            finally:
                self._say(f"{label}: {ended} {time.monotonic() - started:.1f} s")
                stop.set()
                heart.join()

    def _beat(self, label: str, started: float, stop: threading.Event, status: object) -> None:
        while not stop.wait(self._heartbeat_seconds):
            line = f"{label}: {time.monotonic() - started:.0f} s" + (f", {self._detail}" if self._detail else "")
            if hasattr(status, "update"):
                status.update(line)
            else:
                self._say(line)

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def standing_console() -> Console:
    """A console on what is standard output now, whatever is done to that later (Dagster redirects it during a step)."""
    return Console(file=os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8"))


@contextmanager
def printing_into(path: Path) -> Iterator[None]:
    """What this process and its children print goes to the end of `path`, so that only a standing console is seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [os.dup(number) for number in (1, 2)]
    try:
        with path.open("ab") as file:
            _point_at([file.fileno()] * 2)
            yield
    finally:
        _point_at(kept)
        for descriptor in kept:
            os.close(descriptor)


def _point_at(descriptors: list[int]) -> None:
    """Standard output and error go there from now on; what was printed before has gone where they were."""
    sys.stdout.flush()
    sys.stderr.flush()
    for number, descriptor in zip((1, 2), descriptors, strict=True):
        os.dup2(descriptor, number)
