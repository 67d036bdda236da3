"""A restore as the command line does it: the commit, then Dagster told of it.

Told again whenever it is asked for, so that a crash between the two heals.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import dagster as dg

from ml_platform.storage.restored_events import report_content
from ml_platform.storage.restoring import Restoration, restore
from ml_platform.storage.tables import TableStore
from ml_platform.this_user import this_user


class Restored(NamedTuple):
    """What a restore did, and the partitions that Dagster was told of."""

    restoration: Restoration
    reported: tuple[str, ...]


def restore_and_report(
    instance: dg.DagsterInstance,
    tables: TableStore,
    name: str,
    version: int,
    *,
    partitions: Sequence[str] | None = None,
    reason: str = "",
    dry_run: bool = False,
) -> Restored:
    """Restore `version`, then report each partition whose content Dagster does not know.

    Raises:
        StorageError: as `restore` does.
    """
    by = this_user()
    commit = {"by": by, **({"reason": reason} if reason else {})}
    done = restore(tables, name, version, partitions=partitions, commit=commit, dry_run=dry_run)
    if dry_run:
        return Restored(done, ())
    published = tables.partitions(name)
    known = instance.get_materialized_partitions(dg.AssetKey(name.split("/")))
    asked = sorted({*published, *known} if partitions is None else set(partitions))
    told: Mapping[str, object] = {
        "table_version": done.version,
        "restored_version": version,
        "restored_by": by,
        "restored_because": reason or "no reason given",
    }
    return Restored(done, tuple(report_content(instance, name, asked, published, told)))
