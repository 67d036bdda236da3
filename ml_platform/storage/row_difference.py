"""How the rows of two frames differ: by key where there is one, by whole rows where there is none."""

from collections.abc import Sequence
from typing import NamedTuple

import dataframely as dy
import polars as pl

from ml_platform.contracts.columns import masked

_AFTER = " after"
_OCCURRENCE = " occurrence"


class RowDifference(NamedTuple):
    """Rows that came, went and changed; `key` is empty where whole rows were compared, and then none can change.

    `changed` has each changed row once: its key, and for each column that changed anywhere its value before and, under
    the column's name with " after", its value after. `changed_columns` counts the changed rows by column.
    """

    key: tuple[str, ...]
    added: pl.DataFrame
    removed: pl.DataFrame
    changed: pl.DataFrame
    changed_columns: dict[str, int]


def row_difference(before: pl.DataFrame, after: pl.DataFrame, key: Sequence[str] = ()) -> RowDifference:
    """How `after` differs from `before` in the columns that both have; equal nulls and NaNs are equal.

    A `key` that both frames do not have, or that is not unique in both, is not used.
    """
    shared = [name for name in before.columns if name in after.columns and before.schema[name] == after.schema[name]]
    old, new = before.select(shared), after.select(shared)
    if not _is_key(key, old, new):
        return _by_whole_rows(old, new)
    values = [name for name in shared if name not in key]
    both = old.join(new, on=list(key), how="inner", suffix=_AFTER, nulls_equal=True)
    changes = {name: pl.col(name).ne_missing(pl.col(f"{name}{_AFTER}")) for name in values}
    counts = both.select(change.sum().alias(name) for name, change in changes.items()).row(0) if values else ()
    touched = {name: count for name, count in zip(values, counts, strict=True) if count}
    pairs = [each for name in touched for each in (name, f"{name}{_AFTER}")]
    changed = both.filter(pl.any_horizontal(changes[name] for name in touched)) if touched else both.clear()
    return RowDifference(tuple(key), _only(new, old, key), _only(old, new, key), changed.select(*key, *pairs), touched)


def without_personal_values(found: RowDifference, contract: type[dy.Schema]) -> RowDifference:
    """The same difference as it may be shown: values of personal columns masked."""
    return found._replace(
        added=masked(found.added, contract),
        removed=masked(found.removed, contract),
        changed=masked(found.changed, contract, suffixes=("", _AFTER)),
    )


def _by_whole_rows(old: pl.DataFrame, new: pl.DataFrame) -> RowDifference:
    """Of equal rows the second is another row than the first."""
    counted = [each.with_columns(pl.int_range(pl.len()).over(old.columns).alias(_OCCURRENCE)) for each in (old, new)]
    key = [*old.columns, _OCCURRENCE]
    added, removed = _only(counted[1], counted[0], key), _only(counted[0], counted[1], key)
    return RowDifference((), added.drop(_OCCURRENCE), removed.drop(_OCCURRENCE), old.clear(), {})


def _only(frame: pl.DataFrame, other: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    return frame.join(other, on=list(key), how="anti", nulls_equal=True)


def _is_key(key: Sequence[str], *frames: pl.DataFrame) -> bool:
    return bool(key) and all(set(key) <= set(each.columns) and each.select(key).is_unique().all() for each in frames)
