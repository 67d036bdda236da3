"""Honest features from events: what had become known by each row's own instant, exactly and for all rows at once.

Every result has one row for each row of `rows`, in its order. All sums are of integers, so they depend neither on where
the history starts nor on how many rows are built at once; divide once, at the end.

Belongs here: windows, as-of values and open intervals over the moment of knowing. Does not: any particular feature.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from ml_platform.errors import DefinitionError
from ml_platform.point_in_time.timeline import Integers, Timeline, entity_codes, microseconds

_MINUTE = 60_000_000


def known_window_sums(
    rows: pl.DataFrame,
    events: pl.DataFrame,
    *,
    by: Sequence[str],
    at: str,
    known_at: str,
    measures: Sequence[str],
    widths: Mapping[str, timedelta],
) -> pl.DataFrame:
    """Int64 columns `count_<width>` and `<measure>_<width>` over events of the row's entity known in (at - width, at].

    Entities are the values of the columns `by`, which both frames have. Events never known (null) do not count; a null
    measure counts as 0.

    Raises:
        DefinitionError: a measure is not whole numbers or booleans, whose sums alone are exact.
    """
    known = events.filter(pl.col(known_at).is_not_null())
    entities = entity_codes(rows, known, by)
    timeline = Timeline(entities.events, microseconds(known.get_column(known_at)))
    instants = microseconds(rows.get_column(at))
    order = np.lexsort((instants, entities.rows))
    totals = {name: timeline.running_total(_integers(known, name)) for name in measures}
    until = timeline.known_by(entities.rows, instants, order)
    columns: dict[str, Integers] = {}
    for label, width in widths.items():
        since = timeline.known_by(entities.rows, instants - _microseconds(width), order)
        columns[f"count_{label}"] = until - since
        columns |= {f"{name}_{label}": total[until] - total[since] for name, total in totals.items()}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Int64))


def last_known(
    rows: pl.DataFrame,
    events: pl.DataFrame,
    *,
    by: Sequence[str],
    at: str,
    known_at: str,
    columns: Sequence[str],
    max_age: timedelta,
) -> pl.DataFrame:
    """`columns` of the row's entity's latest event with known_at in (at - max_age, at]; null where there is none.

    Of several events at one instant, the one with the greatest values wins, whatever the order of the input.
    """
    known = events.filter(pl.col(known_at).is_not_null()).sort(*columns, nulls_last=False)
    entities = entity_codes(rows, known, by)
    timeline = Timeline(entities.events, microseconds(known.get_column(known_at)))
    instants = microseconds(rows.get_column(at))
    order = np.lexsort((instants, entities.rows))
    until = timeline.known_by(entities.rows, instants, order)
    since = timeline.known_by(entities.rows, instants - _microseconds(max_age), order)
    latest = pl.Series(timeline.order, dtype=pl.Int64).gather(pl.Series(np.maximum(until - 1, 0)), null_on_oob=True)
    found = pl.select(pl.when(pl.Series(until > since)).then(latest)).to_series()
    return known.select(pl.col(name).gather(found) for name in columns)


def open_intervals(
    rows: pl.DataFrame,
    events: pl.DataFrame,
    *,
    by: Sequence[str],
    at: str,
    opened_at: str,
    closed_at: str,
    longest: timedelta,
) -> pl.DataFrame:
    """Int64 columns `count` and `minutes`: the entity's events open at the instant, and the sum of their ages.

    An event is open from `opened_at`, which must be known by then, until `closed_at`, and never longer than `longest`.
    A null `closed_at` has not been reached. Minutes are whole minutes since the epoch, subtracted.
    """
    opened, closed, given_up = pl.col(opened_at), pl.col(closed_at), pl.col(opened_at) + longest
    known = events.filter(opened.is_not_null()).select(
        *by,
        opened=opened,
        closed=pl.when(closed.is_null())
        .then(given_up)
        .otherwise(pl.min_horizontal(given_up, pl.max_horizontal(opened, closed))),
    )
    entities = entity_codes(rows, known, by)
    instants = microseconds(rows.get_column(at))
    order = np.lexsort((instants, entities.rows))
    opened_instants = microseconds(known.get_column("opened"))
    count, opened_minutes = np.zeros(rows.height, dtype=np.int64), np.zeros(rows.height, dtype=np.int64)
    for sign, moments in ((1, opened_instants), (-1, microseconds(known.get_column("closed")))):
        timeline = Timeline(entities.events, moments)
        position = timeline.known_by(entities.rows, instants, order)
        count += sign * timeline.running_total(np.ones(known.height, dtype=np.int64))[position]
        opened_minutes += sign * timeline.running_total(opened_instants // _MINUTE)[position]
    return pl.DataFrame({"count": count, "minutes": count * (instants // _MINUTE) - opened_minutes})


def _integers(events: pl.DataFrame, name: str) -> Integers:
    values = events.get_column(name)
    if not (values.dtype.is_integer() or values.dtype == pl.Boolean):
        raise DefinitionError(
            f"Measure '{name}' of a window is {values.dtype}, whose sums depend on where the history starts",
            expected="whole numbers or booleans",
            got=str(values.dtype),
            remedy="Count in whole units (minutes, hundredths of an inch), and divide the sums once at the end.",
        )
    return values.cast(pl.Int64).fill_null(0).to_numpy()


def _microseconds(width: timedelta) -> int:
    return width // timedelta(microseconds=1)
