"""Room: heavy work goes side by side, until some of it ran short of memory and is tried again with nobody beside it.

Belongs here: taking turns on one machine. Does not: what is run (`isolation`), or how often it is tried again.

Only a courtesy among the processes of one user, which ends with the process: whoever has waited long enough goes on.
"""

import fcntl
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from ml_platform.storage.turns import locked

_LONGEST_WAIT_SECONDS = 600.0


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


def _locked(room: str, part: str, how: int) -> AbstractContextManager[None]:
    return locked(f"room-{room}-{part}", how, _LONGEST_WAIT_SECONDS)
