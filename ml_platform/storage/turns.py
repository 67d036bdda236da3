"""Turns: writers of one table on one machine go one after the other, so that they seldom overtake each other.

Only a courtesy: what keeps a table whole is the compare-and-swap of its log, which also holds between machines. So a
writer that cannot have its turn, or has waited long enough, goes on without it. A turn ends with its process.
"""

import fcntl
import hashlib
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST_WAIT_SECONDS = 10.0
_LOOK_AGAIN_AFTER_SECONDS = 0.01
_SLOTS = 256  # tables may share one, which costs a wait and leaves few lock files behind


@contextmanager
def turn(uri: str) -> Iterator[None]:
    """The turn of this writer of the table at `uri`, as long as the block lasts."""
    slot = int.from_bytes(hashlib.sha256(uri.encode()).digest()[:4], "big") % _SLOTS
    with locked(f"turn-{slot:03d}", fcntl.LOCK_EX, _LONGEST_WAIT_SECONDS):
        yield


@contextmanager
def locked(name: str, how: int, longest_wait_seconds: float) -> Iterator[None]:
    """A block under the lock `name` of this user on this machine, or without it once it was waited for long enough.

    `how` is `fcntl.LOCK_EX`, or `LOCK_SH` for a lock that may be shared.
    """
    path = Path(tempfile.gettempdir()) / f"ml_platform-{os.getuid()}-{name}.lock"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        _wait_for(lock, how, time.monotonic() + longest_wait_seconds)
        yield
    finally:
        os.close(lock)


def _wait_for(lock: int, how: int, until: float) -> None:
    while time.monotonic() < until:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except OSError:
            time.sleep(random.uniform(0.2, 1) * _LOOK_AGAIN_AFTER_SECONDS)  # noqa: S311 - jitter
        else:
            return
