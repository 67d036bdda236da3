"""Telling a person how far a long piece of work has come: a live line on a terminal, plain lines elsewhere."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

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
            try:
                yield
            except BaseException:
                self._say(f"{label}: stopped after {time.monotonic() - started:.1f} s")
                raise
            else:
                self._say(f"{label}: done in {time.monotonic() - started:.1f} s")
            finally:
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
    """A console on today's standard output, which stays so while Dagster redirects that of a step into its log."""
    return Console(file=os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8"))
