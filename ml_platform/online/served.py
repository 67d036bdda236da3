"""What was served, as a table: each row's features and its answer, by the key that its label will have.

Belongs here: keeping answered rows, and publishing them. Does not: joining labels, which anybody can by the key.

Rows are put aside on this disk first and published from there, each batch as one partition under a name of its own: a
batch that was published before a crash is found unchanged. While the store is away, batches wait.
"""

import datetime as dt
import io
import threading
import uuid
from dataclasses import dataclass, field

import polars as pl

from ml_platform.contracts.columns import masked
from ml_platform.online.declared import OnlineModel
from ml_platform.online.metrics import Metrics
from ml_platform.online.service import PREDICTED, Predicted
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore

SUFFIX = "_served"
BATCH = "served_batch"
MOST_ROWS, MOST_BATCHES = 200_000, 2_000
_FOLDER = "served"


@dataclass
class ServedLog:
    """The log of one service: any number of threads add to it, one publishes."""

    model: OnlineModel
    tables: TableStore
    aside: ObjectStore
    metrics: Metrics
    _rows: list[pl.DataFrame] = field(default_factory=list)
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def table(self) -> str:
        """Name of the table."""
        return f"{self.model.predictions}{SUFFIX}"

    def add(self, predicted: Predicted, request_id: str) -> None:
        """Keep the rows of one answer in memory; too many of them are counted and let go."""
        with self._lock:
            if self._count + predicted.rows.height > MOST_ROWS:
                self.metrics.unlogged_rows.inc(predicted.rows.height)
                return
            self._count += predicted.rows.height
            self._rows.append(self._frame(predicted, request_id))

    def publish(self) -> None:
        """Publish all that was added, and what could not be published before.

        Raises:
            StorageError: the store does not take it now; it waits on this disk.
        """
        self._put_aside()
        for each in self.aside.list(_FOLDER):
            batch = each.path.removeprefix(f"{_FOLDER}/").removesuffix(".parquet")
            frame = pl.read_parquet(io.BytesIO(self.aside.read(each.path)))
            self.tables.publish(self.table, frame, [batch], key=BATCH)
            self.aside.delete(each.path)

    def _put_aside(self) -> None:
        with self._lock:
            rows, self._rows, self._count = self._rows, [], 0
        if not rows:
            return
        if len(self.aside.list(_FOLDER)) >= MOST_BATCHES:
            self.metrics.unlogged_rows.inc(sum(each.height for each in rows))
            return
        batch = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H-%M-%S}-{uuid.uuid4().hex[:8]}"
        buffer = io.BytesIO()
        pl.concat(rows).with_columns(pl.lit(batch).alias(BATCH)).write_parquet(buffer)
        self.aside.write(f"{_FOLDER}/{batch}.parquet", buffer.getvalue())

    def _frame(self, predicted: Predicted, request_id: str) -> pl.DataFrame:
        """The answered rows, values of personal columns masked."""
        features = masked(predicted.features, self.model.features)
        answered = predicted.rows.select(*PREDICTED, degraded=pl.col("degraded").list.join(","))
        return pl.concat([features, answered], how="horizontal").with_columns(
            pl.lit(dt.datetime.now(dt.UTC), dtype=pl.Datetime("us", "UTC")).alias("served_at"),
            pl.lit(request_id).alias("request_id"),
        )
