"""A frame made ready for publishing: in canonical row order, cut by partition, each cut with its content hash."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from ml_platform.errors import PartitionMismatchError, StorageError
from ml_platform.storage.columns import PARTITION_KEY
from ml_platform.storage.content import Span, content_hashes

UNPARTITIONED = "all"


class Batch(NamedTuple):
    """Rows of the partitions being published, and where each partition lies in `frame`."""

    frame: pl.DataFrame
    spans: dict[str, Span]
    content_hashes: dict[str, str]

    def rows(self, partition: str) -> int:
        """Rows of one partition."""
        return self.spans[partition].stop - self.spans[partition].start

    def slice(self, partition: str) -> pl.DataFrame:
        """The rows of one partition."""
        return self.frame.slice(self.spans[partition].start, self.rows(partition))


def cut(
    table: str, frame: pl.DataFrame, partitions: Sequence[str], key: str | pl.Expr | None, sort_by: Sequence[str]
) -> Batch:
    """`frame` by partition; a partition without a row is an empty span.

    Raises:
        PartitionMismatchError: rows belong to none of `partitions`.
        StorageError: one of `partitions` is the empty text.
    """
    if "" in partitions:
        raise StorageError(
            f"{table}: an empty text cannot be a partition key, as a Delta log takes it for null.",
            kept="Nothing was published; what was there stands.",
            remedy="Give that partition a name.",
        )
    key_expression = pl.lit(UNPARTITIONED) if key is None else pl.col(key) if isinstance(key, str) else key
    keyed = frame.with_columns(key_expression.cast(pl.String).alias(PARTITION_KEY))
    ordered = _in_canonical_order(keyed, [PARTITION_KEY, *sort_by])
    lengths = ordered.get_column(PARTITION_KEY).rle().struct.unnest() if ordered.height else None
    found = {} if lengths is None else dict(_spans(lengths.get_column("value"), lengths.get_column("len")))
    _refuse_strays(table, found, partitions)
    spans = {partition: found.get(partition, Span(0, 0)) for partition in sorted(set(partitions))}
    content = ordered.drop(PARTITION_KEY)
    return Batch(content, spans, dict(zip(spans, content_hashes(content, list(spans.values())), strict=True)))


def _in_canonical_order(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Rows sorted by `columns`, and where these tie by every other column: the input order never shows."""
    ordered = frame.sort(columns, maintain_order=True)
    ties = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in columns)
    if not ordered.select(ties.slice(1).any()).item():
        return ordered
    return frame.sort([*columns, *sorted(name for name in frame.columns if name not in columns)])


def _spans(keys: pl.Series, lengths: pl.Series) -> Iterator[tuple[str, Span]]:
    start = 0
    for key, length in zip(keys, lengths, strict=True):
        yield key, Span(start, start + length)
        start += length


def _refuse_strays(table: str, found: dict[str, Span], partitions: Sequence[str]) -> None:
    strays = {key: span.stop - span.start for key, span in found.items() if key not in set(partitions)}
    if strays:
        sample = ", ".join(f"{key} ({rows} rows)" for key, rows in list(strays.items())[:3])
        raise PartitionMismatchError(
            f"{table}: {sum(strays.values())} rows belong to partitions that this run does not write.",
            expected=f"only {_told(partitions)}",
            got=f"also {sample}{' and more' if len(strays) > 3 else ''}",
            kept="Nothing was published; what was there stands.",
            remedy="Filter the frame to the partitions of the run, or materialize those partitions too.",
        )


def _told(partitions: Sequence[str]) -> str:
    names = [str(name) for name in partitions]
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} to {names[-1]} ({len(names)} partitions)"
