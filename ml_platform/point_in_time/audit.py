"""A feature table held against the past: do its values stay the same when everything later is hidden?

Belongs here: the recomputation and the comparison. Does not: what happens to a table that fails, or reading it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

import polars as pl

from ml_platform.errors import DefinitionError
from ml_platform.point_in_time.features import (
    PREDICTION_AT,
    FeatureFunction,
    KnownTable,
    PredictionTime,
    inputs_known_by,
    rows_to_predict,
)

ROWS_BEFORE_CUT = timedelta(hours=24)
LATEST_CUT_MINUTES = 120

MISSING_ROW = "(row)"
"""Stands for the column where a row is missing from one of the two tables."""


class Leak(NamedTuple):
    """One column that changed when everything known after `cut` was hidden, with its first example in key order."""

    column: str
    cut: datetime
    rows: int
    key: tuple[object, ...]
    value_seen: object
    value_masked: object

    def __str__(self) -> str:
        """The leak in one line, for a log or an error."""
        key = " ".join(str(part) for part in self.key)
        return (
            f"{self.column} of {key}: {self.value_seen} as built, {self.value_masked} from what was known by "
            f"{self.cut:%Y-%m-%d %H:%M} UTC ({self.rows} rows differ)"
        )


class KnowledgeAudit(NamedTuple):
    """What was compared, and every column that used what was not known."""

    cuts: tuple[datetime, ...]
    rows_compared: int
    leaks: tuple[Leak, ...]

    @property
    def leaking_columns(self) -> tuple[str, ...]:
        """The columns that leak, sorted."""
        return tuple(sorted({leak.column for leak in self.leaks}))


class LookBack(NamedTuple):
    """How much history the features need: `days` before the first row's value of the date column `day_column`."""

    day_column: str
    days: int


def audit_knowledge(
    function: FeatureFunction,
    *,
    built: pl.DataFrame,
    key: Sequence[str],
    spine: KnownTable,
    inputs: Mapping[str, KnownTable],
    prediction_at: PredictionTime,
    cuts: int = 5,
    seed: int = 0,
    look_back: LookBack | None = None,
) -> KnowledgeAudit:
    """Recompute the features of the 24 hours before some cuts from what was known then, and compare with `built`.

    A cut is the prediction time of a random row of the spine plus up to two hours: cuts at quiet hours miss leaks. With
    `look_back`, each recomputation reads only the days that its rows need. Equality has no tolerance. A passing audit
    does not prove a feature right, only blind to the future.

    Raises:
        DefinitionError: a column does not say when it becomes known, or there is no row to draw a cut from.
    """
    rows = rows_to_predict(spine, prediction_at).sort(PREDICTION_AT, *key)
    drawn = draw_cuts(rows, cuts, seed)
    leaks: list[Leak] = []
    compared = 0
    for cut in drawn:
        asked = rows.filter(pl.col(PREDICTION_AT).is_between(cut - ROWS_BEFORE_CUT, cut, closed="right"))
        masked = function(asked, **inputs_known_by(_needed(inputs, asked, look_back), cut))
        seen = built.join(asked.select(key), on=list(key), how="semi", nulls_equal=True)
        leaks += find_differences(seen, masked.select(built.columns), key, cut)
        compared += asked.height
    return KnowledgeAudit(tuple(drawn), compared, tuple(leaks))


def draw_cuts(rows: pl.DataFrame, cuts: int, seed: int) -> list[datetime]:
    """Sorted instants, each the prediction time of a random row plus up to two hours; repeatable by the seed.

    Raises:
        DefinitionError: there is no row.
    """
    if rows.is_empty():
        raise DefinitionError(
            "There is no row to check the knowledge of",
            expected="at least one row to predict for",
            got="0 rows",
            remedy="Choose days that have been published.",
        )
    random, instants = Random(seed), rows.get_column(PREDICTION_AT).sort()  # noqa: S311 - a sample, not a secret
    drawn = (instants[random.randrange(len(instants))] for _ in range(cuts))
    return sorted(instant + timedelta(minutes=random.randint(0, LATEST_CUT_MINUTES)) for instant in drawn)


def find_differences(seen: pl.DataFrame, masked: pl.DataFrame, key: Sequence[str], cut: datetime) -> list[Leak]:
    """One leak for each column in which two tables of the same columns differ in any way, in column order."""
    both = seen.join(masked, on=list(key), how="full", suffix="__masked", nulls_equal=True, coalesce=True).sort(key)
    alone = pl.concat(
        [
            seen.join(masked, on=list(key), how="anti", nulls_equal=True).select(*key, seen=True, masked=False),
            masked.join(seen, on=list(key), how="anti", nulls_equal=True).select(*key, seen=False, masked=True),
        ]
    )
    leaks = [_leak(MISSING_ROW, alone, "seen", "masked", key, cut)] if alone.height else []
    values = [name for name in seen.columns if name not in key]
    both = both.join(alone.select(key), on=list(key), how="anti", nulls_equal=True)
    for name in values:
        changed = both.filter(pl.col(name).ne_missing(pl.col(f"{name}__masked")))
        if changed.height:
            leaks.append(_leak(name, changed, name, f"{name}__masked", key, cut))
    return leaks


def _leak(column: str, rows: pl.DataFrame, seen: str, masked: str, key: Sequence[str], cut: datetime) -> Leak:
    first = rows.row(0, named=True)
    return Leak(column, cut, rows.height, tuple(first[name] for name in key), first[seen], first[masked])


def _needed(
    inputs: Mapping[str, KnownTable], rows: pl.DataFrame, look_back: LookBack | None
) -> Mapping[str, KnownTable]:
    """The inputs cut down to the days of the rows and those that the features look back to."""
    if look_back is None:
        return inputs
    days = rows.get_column(look_back.day_column)
    first, last = days.dt.offset_by(f"-{look_back.days}d").min(), days.max()
    in_reach = pl.col(look_back.day_column).is_between(pl.lit(first), pl.lit(last))
    return {name: KnownTable(table.frame.lazy().filter(in_reach), table.schema) for name, table in inputs.items()}
