"""What is replayed, how fast, and what has to be there before: days of the year, and the history that precedes them.

Belongs here: the plan of a replay and what it refuses. Does not: landing (`performance`), or watching (`watch`).
"""

import datetime as dt
from typing import NamedTuple

from ml_platform.components.automation import named
from ml_platform.components.references import use_cases_folder
from ml_platform.components.use_case import UseCase, load_use_case
from ml_platform.demo.upstream import USE_CASE
from ml_platform.errors import ReplayError
from ml_platform.storage.tables import TableStore

SECONDS_PER_DAY = 86_400.0


class Pace(NamedTuple):
    """Which days land one by one, how many times faster than the clock, and which lie before them."""

    days: tuple[dt.date, ...]
    speed: float
    history: tuple[dt.date, ...]

    @property
    def seconds_per_day(self) -> float:
        """Wall-clock seconds from one landing to the next."""
        return SECONDS_PER_DAY / self.speed


def replayable(name: str) -> UseCase:
    """The use case `name`, if the demonstration has its upstream.

    Raises:
        ReplayError: it has not.
    """
    if name != USE_CASE:
        raise ReplayError(
            f"'{name}' cannot be replayed.", expected=f"{USE_CASE}, whose source can be had", got=f"'{name}'"
        )
    return load_use_case(use_cases_folder() / name)


def paced(use_case: UseCase, first: dt.date, days: int, speed: float) -> Pace:
    """So many days from `first` on; the history is every day of the calendar before it.

    Raises:
        ReplayError: the days are not all in the calendar, or the speed is not positive.
    """
    calendar = [dt.date.fromisoformat(key) for key in use_case.by_day.get_partition_keys()]
    wanted = tuple(first + dt.timedelta(days=number) for number in range(days))
    if days < 1 or not set(wanted) <= set(calendar):
        raise ReplayError(
            f"{use_case.name} cannot be replayed for {days} days from {first} on.",
            expected=f"days between {calendar[0]} and {calendar[-1]}",
            got=f"{wanted[0]} to {wanted[-1]}" if wanted else "no day",
            remedy="Give another --from or --days.",
        )
    if speed <= 0:
        raise ReplayError("A replay goes forward.", expected="a speed above 0", got=f"{speed:g}")
    return Pace(wanted, speed, tuple(day for day in calendar if day < first))


def require_new(tables: TableStore, table: str, pace: Pace) -> None:
    """Pass if nothing of the days to replay is published in `table`.

    Raises:
        ReplayError: some of it is.
    """
    there = sorted(tables.published(table).keys() & {str(day) for day in pace.days})
    if there:
        raise ReplayError(
            f"{len(there)} of the {len(pace.days)} days to replay are in {table} already: {named(there)}.",
            kept="Nothing was landed.",
            remedy="Replay in another home: ML_PLATFORM_HOME=<folder> for both this command and `make dev`, or `make "
            "replay`, which has one of its own; or give days that are not there yet.",
        )


def months_due(use_case: UseCase, pace: Pace) -> list[str]:
    """The as-of months that can be trained once all days of the replay are there."""
    after_last = str(pace.days[-1] + dt.timedelta(days=1))
    return [month for month in use_case.by_as_of_month.get_partition_keys() if month <= after_last]
