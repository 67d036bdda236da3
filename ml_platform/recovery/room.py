"""Room: heavy work goes side by side, until some of it ran short of memory and is tried again with nobody beside it.

Belongs here: taking turns on one machine. Does not: what is run (`isolation`), or how often it is tried again.

Only a courtesy among the processes of one user, which ends with the process: whoever has waited long enough goes on.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_LONGEST_WAIT_SECONDS = 600.0
_LOOK_AGAIN_AFTER_SECONDS = 0.05


@contextmanager
def side_by_side(room: str = "trials") -> Iterator[None]:
    """A block that others may run at the same time, unless one of them has to be alone."""
    with ExitStack() as inside:
        with _locked(room, "door", fcntl.LOCK_SH):  # whoever waits to be alone holds it, so that nobody else comes in
            inside.enter_context(_locked(room, "inside", fcntl.LOCK_SH))
        yield


@contextmanager
def alone(room: str = "trials") -> Iterator[None]:
    """A block that begins when the others have ended, and that none begins beside."""
    with _locked(room, "door", fcntl.LOCK_EX), _locked(room, "inside", fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(room: str, part: str, how: int) -> Iterator[None]:
    path = Path(tempfile.gettempdir()) / f"ml_platform-{os.getuid()}-room-{room}-{part}.lock"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        _wait_for(lock, how)
        yield
    finally:
        os.close(lock)


def _wait_for(lock: int, how: int) -> None:
    waited_until = time.monotonic() + _LONGEST_WAIT_SECONDS
    while time.monotonic() < waited_until:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_LOOK_AGAIN_AFTER_SECONDS)
        else:
            return
