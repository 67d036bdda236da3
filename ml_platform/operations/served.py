"""What readers get while something has failed: what was published before, by the log of the table or by the history.

Belongs here: that one sentence. Does not: what failed (`failures`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from ml_platform.errors import StorageError
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.tables import TableStore


def served(instance: dg.DagsterInstance, tables: TableStore, key: dg.AssetKey, partitions: Sequence[str]) -> str:
    """What readers of a table or record get as long as its `partitions` are not made again."""
    name, asked = key.to_user_string(), [part for part in partitions if part]
    try:
        version = tables.version(name)
        there = set(tables.partitions(name, version)) if version is not None else set()
    except StorageError:
        return "What was published before; the store cannot be asked now."
    if version is None:
        return _of_record(instance, key, asked)
    old = [part for part in asked or [UNPARTITIONED] if part in there]
    if len(old) == len(asked or [UNPARTITIONED]):
        return f"{_which(name, asked)} as in version {version}{_at(instance, key, asked)}."
    if old:
        return f"Version {version} of {name}, which has {len(old):,} of these {len(asked):,} partitions."
    return f"Version {version} of {name}, which does not have {'this' if len(asked) == 1 else 'these'} yet."


def _of_record(instance: dg.DagsterInstance, key: dg.AssetKey, asked: Sequence[str]) -> str:
    which = _which(key.to_user_string(), asked)
    at = _at(instance, key, asked)
    return f"{which} as it was{at}." if at else f"Nothing: {which} has not been published."


def _which(name: str, asked: Sequence[str]) -> str:
    match len(asked):
        case 0:
            return name
        case 1:
            return f"{name} {asked[0]}"
        case number:
            return f"{name}, {number:,} partitions,"


def _at(instance: dg.DagsterInstance, key: dg.AssetKey, asked: Sequence[str]) -> str:
    """When it was last published by the history, which may not go back so far."""
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=list(asked) if len(asked) == 1 else None)
    found = instance.fetch_materializations(wanted, limit=1).records
    return f", published {datetime.fromtimestamp(found[0].timestamp, UTC):%Y-%m-%d %H:%M} UTC" if found else ""
