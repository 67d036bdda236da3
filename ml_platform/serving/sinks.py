"""Where the predictions of a day are sent: an object under a path, or rows of a database's table.

Sending a day again leaves the same: an object is replaced whole by the same bytes, and the rows of a day are replaced
in one transaction, which a killed process never leaves half done.

Belongs here: sending, and looking whether it is there. Does not: what is sent when (`sinks_asset`).
"""

import datetime as dt
import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import polars as pl

from ml_platform.components.databases import Database
from ml_platform.storage.objects import ObjectStore

if TYPE_CHECKING:
    import sqlalchemy as sa

ExportFormat = Literal["csv", "parquet"]


class Sent(NamedTuple):
    """What was sent of one partition: where it is, its rows, the hash of its bytes, and how many rows are there."""

    destination: str
    rows: int
    sha256: str
    rows_there: int


class Sink(Protocol):
    """A place that predictions are sent to."""

    def send(self, frame: pl.DataFrame, partition: str) -> Sent:
        """Have `frame`, in canonical order, stand there as all that there is of one partition."""
        ...  # pragma: no cover - a protocol


class ObjectSink:
    """One object a partition."""

    def __init__(self, store: ObjectStore, path: str, fmt: ExportFormat) -> None:
        """Nothing is written yet; `{day}` in `path` is the partition."""
        self._store, self._path, self._format = store, path, fmt

    def send(self, frame: pl.DataFrame, partition: str) -> Sent:
        """Replace the object, whole or not at all; the rows that are there are read back.

        Raises:
            StorageError: the store does not take it, or does not answer.
        """
        path, data = self._path.format(day=partition), _encoded(frame, self._format)
        self._store.write(path, data)
        there = io.BytesIO(self._store.read(path))
        found = pl.read_csv(there, infer_schema=False) if self._format == "csv" else pl.read_parquet(there)
        return Sent(self._store.uri_of(path), frame.height, hashlib.sha256(data).hexdigest(), found.height)


class TableSink:
    """The rows of a partition in a table, which is made if it is not there."""

    def __init__(self, database: Database, table: str, partition_column: str, keys: Sequence[str]) -> None:
        """Nothing is contacted yet; `table` may have its schema before a dot."""
        self._database, self._name, self._keys = database, table, tuple(keys)
        self._partition_column = partition_column

    def send(self, frame: pl.DataFrame, partition: str) -> Sent:
        """Replace the rows of the partition in one serializable transaction, and count what is there then.

        Raises:
            SettingsError, DatabaseError, StorageFullError: as `Database.transaction`; nothing was changed.
        """
        import sqlalchemy as sa

        table = self._table(frame.schema)
        column = table.c[self._partition_column]
        is_day = frame.schema[self._partition_column] == pl.Date
        is_of_it = column == (dt.date.fromisoformat(partition) if is_day else partition)
        with self._database.transaction(f"{self._name} {partition}", keeps=True) as connection:
            connection.execution_options(isolation_level="SERIALIZABLE")
            table.create(connection, checkfirst=True)
            connection.execute(sa.delete(table).where(is_of_it))
            if not frame.is_empty():
                connection.execute(sa.insert(table), frame.to_dicts())
            there = connection.execute(sa.select(sa.func.count()).select_from(table).where(is_of_it)).scalar_one()
        sha256 = hashlib.sha256(_encoded(frame, "csv")).hexdigest()
        return Sent(f"{self._database.name}/{self._name}", frame.height, sha256, int(there))

    def _table(self, schema: Mapping[str, pl.DataType]) -> "sa.Table":
        import sqlalchemy as sa

        *schemas, name = self._name.split(".")
        columns = [
            sa.Column(
                each, _type(dtype, is_key=each in self._keys), primary_key=each in self._keys, autoincrement=False
            )
            for each, dtype in schema.items()
        ]
        return sa.Table(name, sa.MetaData(), *columns, schema=schemas[0] if schemas else None)


def _type(dtype: pl.DataType, *, is_key: bool) -> "sa.types.TypeEngine[Any]":
    import sqlalchemy as sa

    match dtype:
        case pl.Date():
            return sa.Date()
        case pl.Datetime(time_zone=zone):
            return sa.DateTime(timezone=zone is not None)
        case pl.Boolean():
            return sa.Boolean()
    if dtype.is_integer():
        return sa.BigInteger()
    if dtype.is_float():
        return sa.Double()
    return sa.String(255) if is_key else sa.Text()


def _encoded(frame: pl.DataFrame, fmt: ExportFormat) -> bytes:
    """The frame as bytes that follow from its rows alone."""
    if fmt == "csv":
        return frame.write_csv().encode()
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()
