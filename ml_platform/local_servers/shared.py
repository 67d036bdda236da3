"""One server for all commands of a folder: the first starts and keeps it, others join, the first waits for them.

Belongs here: who starts and stops it. Does not: the servers, their credentials, or their sudden end (`kept`).
"""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

import psutil

from ml_platform.errors import LocalServerError
from ml_platform.local_servers.kept import Running, Start, kept
from ml_platform.local_servers.process_trees import end, family

READY_WITHIN_SECONDS = 330.0


class _Word(NamedTuple):
    """The server as its starter leaves word of it."""

    address: str
    process_id: int
    started_at: float

    @property
    def running(self) -> Running:
        """The server itself."""
        return Running(self.address, self.process_id)


@contextmanager
def shared(folder: Path, start: Start) -> Iterator[Running]:
    """The server whose data is below `folder`, which runs at least as long as the block, and again if it dies.

    A server that was left behind, because its starter was killed, is stopped first.

    Raises:
        LocalServerError: the server did not come up, or whoever is starting it does not come to an end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "starter.lock").open("w") as starter, (folder / "users.lock").open("w") as users:
        joined = _started_or_joined(folder, starter, users)
        if joined is not None:
            yield joined.running
            return
        _stop_what_was_left(folder)
        with kept(start, partial(_leave_word, folder)) as running:
            try:
                yield running
            finally:
                _word(folder).unlink()
                fcntl.flock(users, fcntl.LOCK_EX)  # those who joined may still be at work


def _started_or_joined(folder: Path, starter: IO[str], users: IO[str]) -> _Word | None:
    """The server that runs, which lasts while `users` is held; None for who holds `starter` and is to start it."""
    waits_until = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < waits_until:
        with suppress(BlockingIOError):
            fcntl.flock(starter, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        fcntl.flock(users, fcntl.LOCK_SH)
        if running := _read_word(folder):
            return running
        fcntl.flock(users, fcntl.LOCK_UN)
        time.sleep(0.1)
    raise LocalServerError(
        f"Another command has been starting or stopping the server of {folder} for too long.",
        got=f"no answer in {READY_WITHIN_SECONDS:.0f} seconds",
        remedy="Wait until it has ended, or end it, and run this again.",
    )


def _leave_word(folder: Path, running: Running) -> None:
    with suppress(psutil.NoSuchProcess):  # it has died already, and the next one is told of
        started_at = psutil.Process(running.process_id).create_time()
        written = _word(folder).with_suffix(".new")
        written.write_text(json.dumps(_Word(*running, started_at)))
        written.replace(_word(folder))


def _stop_what_was_left(folder: Path) -> None:
    left = _read_word(folder)
    if left is None:
        return
    with suppress(psutil.NoSuchProcess):
        if psutil.Process(left.process_id).create_time() == left.started_at:
            end(family(left.process_id))
    _word(folder).unlink()


def _read_word(folder: Path) -> _Word | None:
    try:
        return _Word(*json.loads(_word(folder).read_text()))
    except (FileNotFoundError, json.JSONDecodeError):  # nobody has said anything, or not to the end
        return None


def _word(folder: Path) -> Path:
    return folder / "running.json"
