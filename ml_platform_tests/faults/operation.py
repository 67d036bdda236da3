"""What an operation is: a change of the stored state that can be interrupted anywhere and done again.

Belongs here: its shape. Does not: the operations of the platform (`on_tables`, `on_objects`, `on_runs`, `on_registry`).
"""

import hashlib
import json
from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from ml_platform.errors import PartitionNotPublishedError, TableNotFoundError
from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore

Seen = dict[str, str]
"""What a reader sees: for each thing that is published whole or not at all, its content."""

ABSENT = "absent"


class Operation(NamedTuple):
    """One change of the stored state.

    `prepare` makes the state before, `act` is what is interrupted and repeated, `see` is what readers see. Where
    `in_order`, what `see` gives becomes new in that order: nothing is new while something before it is old.
    """

    prepare: Callable[[Settings], None]
    act: Callable[[Settings], str]
    see: Callable[[Settings], Seen]
    in_order: bool = True


def digest(value: object) -> str:
    """Short hash of plain data or bytes."""
    data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True, default=str).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def rows_of(tables: TableStore, name: str, partitions: list[str] | None = None) -> str:
    """What a reader reads of a table: its columns and every value, in order; that the log tells the same is checked."""
    try:
        read = tables.scan(name, partitions=partitions).collect()
    except (TableNotFoundError, PartitionNotPublishedError):
        return ABSENT
    told = {key: state for key, state in tables.partitions(name).items() if partitions is None or key in partitions}
    assert read.height == sum(state.rows for state in told.values()), f"{name}: the log tells of other rows"
    hashes = sorted((key, state.content_hash) for key, state in told.items())
    return digest([str(read.schema), hashes, frame_digest(read)])


def frame_digest(frame: pl.DataFrame) -> str:
    """Hash of a frame's values in their order."""
    return digest(frame.write_csv().encode())
