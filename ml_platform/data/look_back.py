"""The days that features look back on: which there are, and what happens where one of them is not published.

Belongs here: days, as pure functions. Does not: their rows (`features`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ml_platform.components.degrading import Lowered
from ml_platform.components.use_case import UseCase
from ml_platform.data.component import FeatureInput, FeatureTable
from ml_platform.errors import PartitionNotPublishedError
from ml_platform.storage.tables import PartitionState

ONE_DAY = dt.timedelta(days=1)
SHOWN = 3
Published = Mapping[str, Mapping[str, PartitionState]]
"""By the name of the table, what is published of it."""


class _Gap(NamedTuple):
    """A day of an input that is not published, for the features of another day, and the last before it that is."""

    history: FeatureInput
    day: str
    last_known: str | None

    @property
    def age_days(self) -> int | None:
        """Days from the last known one to the one that is not published."""
        return (_date(self.day) - _date(self.last_known)).days if self.last_known else None

    @property
    def is_bridged(self) -> bool:
        """Whether the input declares that the last known day is near enough."""
        tolerance = self.history.last_known_within_days
        return tolerance is not None and self.age_days is not None and self.age_days <= tolerance


def days_back(day: str, look_back: int) -> list[str]:
    """The days from `look_back` days before `day` to itself; what looks back on none may be a key as well."""
    if not look_back:
        return [day]
    return [str(_date(day) - back * ONE_DAY) for back in range(look_back, -1, -1)]


def bridge(use_case: UseCase, table: FeatureTable, published: Published, days: Sequence[str]) -> dict[str, Lowered]:
    """The days whose features have to do with the last known day of an input, and why.

    Before the first day of the use case there is nothing to look back on, so nothing is missing there.

    Raises:
        PartitionNotPublishedError: a day that is looked back on is not published, and no day near enough before it is.
    """
    gaps = {day: list(_gaps(use_case, table, published, day)) for day in days}
    if refused := [gap for found in gaps.values() for gap in found if not gap.is_bridged]:
        raise _not_published(use_case, table, refused, [d for d in days if any(not g.is_bridged for g in gaps[d])])
    seen = {day: missing_days(use_case, table, published, day) for day, found in gaps.items() if found}
    return {day: Lowered("last_known", _told(use_case, table, day, gaps[day]), seen[day]) for day in seen}


def missing_days(use_case: UseCase, table: FeatureTable, published: Published, day: str) -> str:
    """The days that the features of `day` look back on and that are not published, with their tables; as a text."""
    return ", ".join(f"{gap.history.table} {gap.day}" for gap in _gaps(use_case, table, published, day))


def _gaps(use_case: UseCase, table: FeatureTable, published: Published, day: str) -> list[_Gap]:
    first = str(use_case.first_day)
    return [
        _Gap(history, each, max((key for key in published[history.table] if key < each), default=None))
        for history in table.inputs
        for each in days_back(day, history.look_back_days)
        if (each == day or each >= first) and each not in published[history.table]
    ]


def _told(use_case: UseCase, table: FeatureTable, day: str, gaps: Sequence[_Gap]) -> str:
    told = [
        f"{use_case.name}/{gap.history.table} {gap.day} is not published, {gap.last_known} is the last known, "
        f"{gap.age_days} {'day' if gap.age_days == 1 else 'days'} before"
        for gap in gaps[:SHOWN]
    ]
    more = f"; and {len(gaps) - SHOWN} more days" if len(gaps) > SHOWN else ""
    return f"{use_case.name}/{table.name} {day} is made from less than it looks back on: {'; '.join(told)}{more}"


def _not_published(
    use_case: UseCase, table: FeatureTable, refused: Sequence[_Gap], days: Sequence[str]
) -> PartitionNotPublishedError:
    one = refused[0].history
    missing = sorted({gap.day for gap in refused if gap.history == one})
    source, tolerance = f"{use_case.name}/{one.table}", one.last_known_within_days
    span = missing[0] if len(missing) == 1 else f"{missing[0]} to {missing[-1]}"
    declared = f", and none of the {tolerance} days before the first of them is" if tolerance else ""
    if not one.look_back_days:
        others = f" and {len(days) - 1} more" if len(days) > 1 else ""
        return PartitionNotPublishedError(
            f"{use_case.name}/{table.name} {days[0]}{others} is made with the same of {source}, which is not published",
            got=f"nothing for {span}",
            kept="Nothing was published; what was published before stands",
            remedy=f"Materialize {source} for these first",
        )
    others = f" and {len(days) - 1} more days" if len(days) > 1 else ""
    return PartitionNotPublishedError(
        f"{use_case.name}/{table.name} {days[0]}{others} looks back {one.look_back_days} days on {source}, "
        f"of which {len(missing)} are not published{declared}",
        expected=f"every day from {use_case.first_day} on that it looks back on",
        got=f"nothing for {span}",
        kept="Nothing was published; what was published before stands",
        remedy=f"Materialize {source} for these days first, or declare last_known_within_days of that input in "
        f"use_cases/{use_case.name}/data/defs.yaml, which bridges them and marks the features as degraded",
    )


def _date(day: str) -> dt.date:
    return dt.date.fromisoformat(day)
