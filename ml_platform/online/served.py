"""What was served, as a table: each row's features and its answer, by the key that its label will have.

Belongs here: keeping answered rows, and publishing them. Does not: joining labels, which anybody can by the key.

Rows are put aside on this disk first and published from there, each batch as one partition under a name of its own: a
batch that was published before a crash is found unchanged. While the store is away, batches wait.
"""

import datetime as dt
import io
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from ml_platform.contracts.columns import masked
from ml_platform.online.declared import OnlineModel
from ml_platform.online.metrics import Metrics
from ml_platform.online.service import PREDICTED, Predicted, answers_frame
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore

SUFFIX = "_served"
BATCH = "served_batch"
VERSIONS = "table_versions"
"""Column: the versions of the tables that a row's features were made from, as `flights/clean@41 ...`."""
MOST_ROWS, MOST_BATCHES = 200_000, 2_000
MOST_ANSWERS = 256
"""From so many answers on, they become one frame: a frame of one row takes far more memory than its values."""
_FOLDER = "served"


class _Served(NamedTuple):
    """One answer."""

    predicted: Predicted
    request_id: str
    served_at: dt.datetime

    @property
    def versions(self) -> str:
        """What the log says under `VERSIONS`."""
        history = self.predicted.answering.history
        published = history.published if history else {}
        return " ".join(f"{name}@{each.version}" for name, each in published.items())


@dataclass
class ServedLog:
    """The log of one service: any number of threads add to it, one gathers, one publishes."""

    model: OnlineModel
    tables: TableStore
    aside: ObjectStore
    metrics: Metrics
    _answers: list[_Served] = field(default_factory=list)
    _rows: list[pl.DataFrame] = field(default_factory=list)
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def table(self) -> str:
        """Name of the table."""
        return f"{self.model.predictions}{SUFFIX}"

    def add(self, predicted: Predicted, request_id: str) -> None:
        """Keep the rows of one answer in memory; too many of them are counted and let go."""
        rows = predicted.features.height
        with self._lock:
            if self._count + rows > MOST_ROWS:
                self.metrics.unlogged_rows.inc(rows)
                return
            self._count += rows
            self._answers.append(_Served(predicted, request_id, dt.datetime.now(dt.UTC)))

    def gather(self, at_least: int = MOST_ANSWERS) -> None:
        """Make one frame of the answers that were added, if there are so many; what makes none is counted and let go.

        Raises:
            PolarsError: they make no frame.
        """
        with self._lock:
            if len(self._answers) < at_least:
                return
            answers, self._answers = self._answers, []
        frame = None
        try:
            frame = self._frame(answers)
        finally:
            with self._lock:
                if frame is None:
                    self._let_go(sum(each.predicted.features.height for each in answers))
                else:
                    self._rows.append(frame)

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
        self.gather(at_least=1)
        with self._lock:
            rows, self._rows = self._rows, []
            self._count -= sum(each.height for each in rows)
        if not rows:
            return
        if len(self.aside.list(_FOLDER)) >= MOST_BATCHES:
            self.metrics.unlogged_rows.inc(sum(each.height for each in rows))
            return
        batch = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H-%M-%S}-{uuid.uuid4().hex[:8]}"
        buffer = io.BytesIO()
        pl.concat(rows).with_columns(pl.lit(batch).alias(BATCH)).write_parquet(buffer)
        self.aside.write(f"{_FOLDER}/{batch}.parquet", buffer.getvalue())

    def _let_go(self, rows: int) -> None:
        self._count -= rows
        self.metrics.unlogged_rows.inc(rows)

    def _frame(self, served: Sequence[_Served]) -> pl.DataFrame:
        """The answered rows, values of personal columns masked."""
        features = masked(pl.concat([each.predicted.features for each in served]), self.model.features)
        answered = answers_frame([each.predicted for each in served]).select(
            *PREDICTED, degraded=pl.col("degraded").list.join(",")
        )
        of_row = [each for each in served for _ in range(each.predicted.features.height)]
        return pl.concat([features, answered], how="horizontal").with_columns(
            pl.Series("served_at", [each.served_at for each in of_row], dtype=pl.Datetime("us", "UTC")),
            pl.Series("request_id", [each.request_id for each in of_row], dtype=pl.String),
            pl.Series(VERSIONS, [each.versions for each in of_row], dtype=pl.String),
        )
