"""Partitions computed a batch at a time, where all of them at once did not fit into memory before.

Belongs here: cutting a step's work into batches that give together what it gives at once. Does not: how small they
have to be (`recovery.attempts`). A partition follows from nothing but its own inputs, as reuse relies on too.
"""

from collections.abc import Callable, Sequence

import dagster as dg
import polars as pl

from ml_platform.components.partitions import rows_among
from ml_platform.recovery.attempts import batch_count, split


def computed(
    context: dg.AssetExecutionContext,
    rows: pl.DataFrame,
    column: str | None,
    partitions: Sequence[str],
    compute: Callable[[pl.LazyFrame], pl.LazyFrame],
) -> pl.DataFrame:
    """What `compute` makes of the rows of these partitions: at once, or of fewer at a time where memory ran out."""
    if column is None:
        return compute(rows.lazy()).collect()

    def of(keys: Sequence[str]) -> pl.DataFrame:
        some = rows if len(keys) == len(partitions) else rows_among(rows, column, keys)
        return compute(some.lazy()).collect()

    return by_batch(context, partitions, of)


def by_batch(
    context: dg.AssetExecutionContext, partitions: Sequence[str], compute: Callable[[Sequence[str]], pl.DataFrame]
) -> pl.DataFrame:
    """What `compute` gives for all of `partitions`, one batch below the other."""
    found = split(partitions, batch_count(context)) or [list(partitions)]
    if len(found) > 1:
        context.log.warning(
            f"{len(partitions)} partitions are computed in {len(found)} batches: memory ran out before."
        )
    return pl.concat([compute(keys) for keys in found])
