"""Processes that die at a change of their choice: for work that is called in a process of its own.

Belongs here: dying. Does not: what is expected to survive it (the tests).
"""

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any, Literal

When = Literal["before", "after"]


def die_at(at: int, when: When, changes: Sequence[tuple[type, str]]) -> None:
    """Have this process killed before or after the `at`-th call (from 1) of any of these methods; 0 is never."""
    made = [0]
    for owner, name in changes:
        setattr(owner, name, _fatal(getattr(owner, name), at, when, made))


def _fatal(change: Callable[..., Any], at: int, when: When, made: list[int]) -> Callable[..., Any]:
    def changed(*args: Any, **kwargs: Any) -> Any:
        made[0] += 1
        mine = made[0]
        if (mine, when) == (at, "before"):
            os.kill(os.getpid(), signal.SIGKILL)
        result = change(*args, **kwargs)
        if (mine, when) == (at, "after"):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return changed
