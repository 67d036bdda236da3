"""Who answers: few threads, each alone with one core, or for the quickest the event loop; and no longer a queue than
was declared.

Belongs here: how many requests are worked on and wait, and for how long. Does not: the work.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from ml_platform.errors import ServingError
from ml_platform.online.metrics import Metrics

Result = TypeVar("Result")


class BusyError(ServingError):
    """As many requests as may wait are waiting."""

    error_class = "throttled"


class TooLongError(ServingError):
    """A request was not answered in time."""

    error_class = "transient"


def use_one_core() -> None:
    """Have OpenMP and BLAS of this thread use one core: for a few rows, waking others costs more than they save."""
    import sklearn.ensemble  # noqa: F401 - only libraries that are loaded are limited
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


@dataclass
class Workers:
    """The threads of one service; used from one event loop."""

    metrics: Metrics
    threads: int
    most_waiting: int
    timeout_seconds: float
    pool: ThreadPoolExecutor = field(init=False)
    waiting: int = 0

    def __post_init__(self) -> None:
        """Make the pool; threads begin with the first work."""
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="answer", initializer=use_one_core)

    async def at_once(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, done by the thread of the event loop: for what is done before another would begin.

        Raises:
            BusyError: too many wait already.
        """
        self._require_room()
        self._count(1)
        try:
            await asyncio.sleep(0)  # those that came with this one are counted first
            return work()
        finally:
            self._count(-1)

    async def do(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, done by one of the threads.

        Raises:
            BusyError: too many wait already.
            TooLongError: it took too long; the thread goes on and counts as busy until it is done.
        """
        return await self.result(lambda: self.pool.submit(work))

    async def result(self, begin: Callable[[], Future[Result]]) -> Result:
        """The result of what `begin` has the threads do.

        Raises:
            BusyError: too many wait already.
            TooLongError: it took too long; the thread goes on and counts as busy until it is done.
        """
        self._require_room()
        doing = asyncio.wrap_future(begin())
        self._count(1)
        doing.add_done_callback(lambda _: self._count(-1))
        done, _ = await asyncio.wait([doing], timeout=self.timeout_seconds)
        if not done:
            doing.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise TooLongError(f"The request was not answered within {self.timeout_seconds:g} seconds")
        return doing.result()

    def _require_room(self) -> None:
        if self.waiting >= self.most_waiting:
            raise BusyError(f"{self.waiting} requests are being worked on or wait")

    def _count(self, change: int) -> None:
        self.waiting += change
        self.metrics.in_flight.set(self.waiting)
