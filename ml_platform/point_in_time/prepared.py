"""Histories prepared once and asked many times: what the windows made of their events, kept for the next rows.

Belongs here: keeping what a feature function prepares of its histories, and finding it again. Does not: what is
prepared (`windows`), or where the histories come from.

A feature function asks the windows in the same order whatever its rows are, so the place in that order tells what was
prepared for what. While a kept history answers, the events that the function is given are not looked at: a function
that reads its histories through `windows` alone may be given empty ones.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias, TypeVar

from ml_platform.errors import DefinitionError

Question: TypeAlias = tuple[object, ...]
"""What was asked of the events: the window, and the columns that it read them by."""

Made = TypeVar("Made")


class PreparedHistory:
    """What one call of a feature function prepared, in the order in which it did; read by any number of threads."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.parts: list[tuple[Question, Any]] = []

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keep what is prepared within the block."""
        self.parts.clear()

        def keep(question: Question, make: Callable[[], Any]) -> Any:
            made = make()
            self.parts.append((question, made))
            return made

        with _within(keep):
            yield

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Have the windows within the block answer from what was kept."""
        rest = iter(self.parts)

        def find(question: Question, make: Callable[[], Any]) -> Any:
            kept, made = next(rest, ((), None))
            if kept != question:
                raise _another_question(kept, question)
            return made

        with _within(find):
            yield


def prepared(question: Question, make: Callable[[], Made]) -> Made:
    """What `make` gives, or what was kept of it.

    Raises:
        DefinitionError: a kept history answers, and was not asked this at this place.
    """
    through = _THROUGH.get()
    made: Made = make() if through is None else through(question, make)
    return made


Through: TypeAlias = Callable[[Question, Callable[[], Any]], Any]
_THROUGH: ContextVar[Through | None] = ContextVar("through", default=None)


@contextmanager
def _within(through: Through) -> Iterator[None]:
    token = _THROUGH.set(through)
    try:
        yield
    finally:
        _THROUGH.reset(token)


def _another_question(kept: Question, asked: Question) -> DefinitionError:
    return DefinitionError(
        "A feature function asks its histories something else than when they were prepared",
        expected=" ".join(str(part) for part in kept) or "no further question",
        got=" ".join(str(part) for part in asked),
        remedy="Ask the windows the same in the same order, whatever the rows are.",
    )
