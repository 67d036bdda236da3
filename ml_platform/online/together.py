"""Requests that wait are answered in one go: for a few rows, features cost as much as for one.

Belongs here: which requests go together, and that each has its own answer. Does not: the answers (`service`), or how
many may wait (`work`).

Nobody waits for company: a thread that is free takes what is there, which is one request until the threads are busy.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from ml_platform.errors import ServingError
from ml_platform.online.work import Workers

MOST_REQUESTS, MOST_BYTES = 32, 64_000
"""What goes together; a request that is larger goes alone, so that small ones do not wait for it longer than before."""

Answer = TypeVar("Answer")


class Asked(NamedTuple):
    """One request."""

    body: bytes
    request_id: str


class _Waiting(NamedTuple, Generic[Answer]):
    """A request and where its answer goes."""

    asked: Asked
    answer: Future[Answer]


@dataclass
class Together(Generic[Answer]):
    """The requests that wait for the threads."""

    workers: Workers
    answer_all: Callable[[Sequence[Asked]], Sequence[Answer | ServingError]]
    _waiting: deque[_Waiting[Answer]] = field(default_factory=deque)

    async def answer(self, asked: Asked) -> Answer:
        """The answer to one request.

        Raises:
            BusyError: too many wait already.
            TooLongError: it took too long.
            ServingError: it has no answer, or is refused.
        """
        return await self.workers.result(lambda: self._begin(asked))

    def _begin(self, asked: Asked) -> Future[Answer]:
        waiting = _Waiting[Answer](asked, Future())
        self._waiting.append(waiting)
        self._work([])
        return waiting.answer

    def _work(self, taken: list[_Waiting[Answer]]) -> None:
        """Have a thread answer what is `taken`, or take what waits once it is free."""
        self.workers.pool.submit(self._answers, taken).add_done_callback(partial(self._tell, taken))

    def _answers(self, taken: list[_Waiting[Answer]]) -> Sequence[Answer | ServingError]:
        if not taken:
            self._take(taken)
        return self.answer_all([each.asked for each in taken]) if taken else []

    def _take(self, taken: list[_Waiting[Answer]]) -> None:
        size = 0
        while len(taken) < MOST_REQUESTS and size < MOST_BYTES:
            try:
                taken.append(self._waiting.popleft())
            except IndexError:  # another thread took it
                return
            size += len(taken[-1].asked.body)

    def _tell(self, taken: list[_Waiting[Answer]], done: Future[Sequence[Answer | ServingError]]) -> None:
        """Give each request its answer; what nobody foresaw is tried again by each alone, and is then its own."""
        error = done.exception()
        if error is not None and len(taken) > 1:
            for each in taken:
                self._work([each])
        elif error is not None:
            for each in taken:
                each.answer.set_exception(error)
        else:
            for each, told in zip(taken, done.result(), strict=True):
                each.answer.set_exception(told) if isinstance(told, ServingError) else each.answer.set_result(told)
