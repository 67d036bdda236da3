"""Events sorted by entity and instant, so that "how many were known by then" is one binary search.

Belongs here: the integer arithmetic below `windows`. Does not: frames with meaning, or anything inexact.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import DefinitionError

Integers: TypeAlias = npt.NDArray[np.int64]

INSTANT = pl.Datetime("us", "UTC")
NO_ENTITY = -1
FEW_ROWS = 64
"""Up to so many rows are looked up one by one, which costs less than joining or sorting them."""
_CODE = "__entity"


class Keys:
    """What tells the entities of some rows, read from them once."""

    def __init__(self, rows: pl.DataFrame) -> None:
        """Read nothing yet."""
        self.rows = rows
        self._values: dict[str, list[object]] = {}

    @property
    def is_one(self) -> bool:
        """Whether there is one row: its numbers are kept as such, since arrays of one cost ten times as much."""
        return self.rows.height == 1

    @property
    def is_few(self) -> bool:
        """Whether looking them up one by one costs less than a join."""
        return self.rows.height <= FEW_ROWS

    def values(self, by: Sequence[str]) -> Iterator[tuple[object, ...]]:
        """Of each row, its values in the columns `by`."""
        for name in by:
            if name not in self._values:
                self._values[name] = self.rows.get_column(name).to_list()
        return zip(*(self._values[name] for name in by), strict=True)


class Entities:
    """The entities of some events, the distinct values of the columns `by`, as numbers; without columns all are one."""

    def __init__(self, events: pl.DataFrame, by: Sequence[str]) -> None:
        """Number the entities; `codes` is that of each event."""
        self._by = list(by)
        self._numbered = events.select(self._by).unique().with_row_index(_CODE) if by else pl.DataFrame()
        self.codes = self._joined(events)

    def of(self, keys: Keys) -> Integers:
        """The entity of each row, or that of the only one; `NO_ENTITY` where no event has it."""
        if not keys.is_few or not (self._by or keys.is_one):
            return self._joined(keys.rows)
        found = [self._by_values.get(each, NO_ENTITY) for each in keys.values(self._by)] if self._by else [0]
        entities = np.array(found, dtype=np.int64)
        return entities[0] if keys.is_one else entities

    @cached_property
    def _by_values(self) -> Mapping[tuple[object, ...], int]:
        return {tuple(values): code for code, *values in self._numbered.iter_rows()}

    def _joined(self, frame: pl.DataFrame) -> Integers:
        if not self._by:
            return np.zeros(frame.height, dtype=np.int64)
        joined = frame.select(self._by).join(
            self._numbered, on=self._by, how="left", nulls_equal=True, maintain_order="left"
        )
        return joined.get_column(_CODE).cast(pl.Int64).fill_null(NO_ENTITY).to_numpy()


class Asked:
    """Questions: an entity and an instant (microseconds) each, searched fast in the order of both; or one question."""

    def __init__(self, entities: Integers, instants: Integers) -> None:
        """One question for each pair."""
        self.entities, self.instants = entities, instants

    @property
    def is_few(self) -> bool:
        """Whether sorting them costs more than it saves."""
        return len(self.entities) <= FEW_ROWS

    @property
    def is_one(self) -> bool:
        """Whether it is one question, of which there are numbers instead of arrays."""
        return not isinstance(self.entities, np.ndarray)

    @cached_property
    def order(self) -> npt.NDArray[np.intp]:
        """The questions by entity and instant."""
        return np.lexsort((self.instants, self.entities))


class Timeline:
    """The instants (microseconds) at which events of numbered entities happened, searchable by entity and instant."""

    def __init__(self, entities: Integers, instants: Integers) -> None:
        """Sort the events.

        Raises:
            DefinitionError: entities times microseconds do not fit 64 bits (a year holds 290,000 entities).
        """
        first, last = (int(instants.min()), int(instants.max())) if len(instants) else (0, 0)
        self._start = first - 1  # offset 0 stays free for "before the entity's first event"
        self._span = last - self._start + 1
        _require_room(int(entities.max(initial=0)) + 1, self._span)
        keys = entities * self._span + (instants - self._start)
        self.order = np.argsort(keys, kind="stable")
        self._keys = keys[self.order]

    def known_by(self, asked: "Asked", before: Sequence[int] = (0,)) -> Sequence[Integers]:
        """For each of `before`, microseconds, and each question, the position in `order` behind the entity's last event
        up to and including the instant less that time.
        """
        if asked.is_one:
            return list(self._keys.searchsorted(self._keys_of_one(asked, before), side="right"))
        if asked.is_few:
            return list(self._behind(asked.entities, asked.instants - np.array(before)[:, None]))
        order, found = asked.order, []
        for each in before:
            positions = np.empty(len(order), dtype=np.int64)
            positions[order] = self._behind(asked.entities[order], asked.instants[order] - each)
            found.append(positions)
        return found

    def _behind(self, entities: Integers, instants: Integers) -> Integers:
        offsets = np.minimum(np.maximum(instants - self._start, 0), self._span - 1)  # for few, twice as fast as clip
        keys = np.where(entities >= 0, entities * self._span + offsets, NO_ENTITY)
        found: Integers = np.searchsorted(self._keys, keys, side="right")
        return found

    def _keys_of_one(self, asked: "Asked", before: Sequence[int]) -> Sequence[int]:
        """What `_behind` looks for, without arrays."""
        entity, instant = int(asked.entities), int(asked.instants) - self._start
        if entity < 0:
            return [NO_ENTITY] * len(before)
        return [entity * self._span + min(max(instant - each, 0), self._span - 1) for each in before]

    def running_total(self, measure: Integers) -> Integers:
        """Exact totals of `measure` over the first 0, 1, ... events of the sorted order."""
        totals = np.zeros(len(measure) + 1, dtype=np.int64)
        np.cumsum(measure[self.order], out=totals[1:])
        return totals


def microseconds(instants: pl.Series) -> Integers:
    """Instants as microseconds since the epoch; there must be no null."""
    return instants.cast(INSTANT).cast(pl.Int64).to_numpy()


def _require_room(entities: int, span: int) -> None:
    if entities * span >= np.iinfo(np.int64).max:
        raise DefinitionError(
            f"{entities:,} entities over {span / 86_400e6:,.0f} days do not fit one timeline",
            expected="entities times microseconds below 2^63",
            got=f"{entities * span:.2e}",
            remedy="Group by fewer columns, or build fewer days at once.",
        )
