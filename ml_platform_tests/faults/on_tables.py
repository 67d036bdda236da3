"""Publishing and reading the table of toy readings: three days are published before."""

from collections.abc import Callable, Sequence
from functools import partial

import polars as pl

from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore
from ml_platform_tests.faults.operation import Operation, Seen, frame_digest, rows_of
from ml_platform_tests.storage.scenario import FIRST_DAYS, TABLE, publish, readings

SECOND, LATER = FIRST_DAYS[1], ["2013-01-04", "2013-01-05"]
Change = Callable[[pl.DataFrame], pl.DataFrame]
HIGHER = pl.col("reading") + 100


def _tables(settings: Settings) -> TableStore:
    return TableStore.from_settings(settings)


def _three_days(settings: Settings) -> None:
    publish(_tables(settings), readings())


def _nothing(_: Settings) -> None:
    return None


def _see(settings: Settings) -> Seen:
    return {TABLE: rows_of(_tables(settings), TABLE)}


def _publish(settings: Settings, *, days: Sequence[str], change: Change) -> str:
    publication = publish(_tables(settings), change(readings(days)), days)
    return str(sorted(publication.content_hashes.items()))


def _read(settings: Settings) -> str:
    return frame_digest(_tables(settings).scan(TABLE, partitions=FIRST_DAYS[1:]).collect())


def _publication(
    days: Sequence[str],
    change: Change,
    before: Callable[[Settings], None] = _three_days,
) -> Operation:
    return Operation(before, partial(_publish, days=days, change=change), _see)


OPERATIONS = {
    "publish a new table": _publication(FIRST_DAYS[:1], lambda frame: frame, before=_nothing),
    "publish one partition again": _publication([SECOND], lambda frame: frame.with_columns(reading=HIGHER)),
    "publish a range": _publication([*FIRST_DAYS[1:], *LATER], lambda frame: frame.with_columns(reading=HIGHER)),
    "publish a new column": _publication([SECOND], lambda frame: frame.with_columns(unit=pl.lit("mm"))),
    "publish other columns": _publication(FIRST_DAYS, lambda frame: frame.drop("reading")),
    "read two partitions": Operation(_three_days, _read, _see),
}
