"""The rows of one partition in two versions of its table, compared."""

import json

import polars as pl

from ml_platform.errors import PartitionNotPublishedError, VersionDroppedError
from ml_platform.storage.commit_log import logged_versions, read_entries
from ml_platform.storage.history import TableDifference, store_of
from ml_platform.storage.row_difference import RowDifference, row_difference
from ml_platform.storage.table_log import TableVersion
from ml_platform.storage.tables import TableStore

_COMMITS_ASKED_FOR_THE_KEY = 50


def compare_partition(tables: TableStore, name: str, found: TableDifference, partition: str) -> RowDifference:
    """How the rows of `partition` differ between the two versions of `found`; one that is not there has no rows.

    Rows are told apart by the columns that the table is sorted by, if these are a key; else whole rows are compared.

    Raises:
        PartitionNotPublishedError: neither version has the partition.
        VersionDroppedError: its data files are gone.
    """
    if partition not in found.before.files and partition not in found.after.files:
        raise PartitionNotPublishedError(
            f"{name}: neither version {found.before.version} nor version {found.after.version} has a partition "
            f"{partition}.",
            remedy=f"`ml-platform table history {name} --partition {partition}` tells which versions had it.",
        )
    before, after = (_rows(tables, name, version, partition) for version in (found.before, found.after))
    return row_difference(before, after, _sorted_by(tables, name, found.after.version))


def _rows(tables: TableStore, name: str, version: TableVersion, partition: str) -> pl.DataFrame:
    if partition not in version.files:
        return pl.DataFrame(schema=version.schema)
    try:
        return tables.scan(name, version=version.version, partitions=[partition]).collect()
    except FileNotFoundError as error:
        raise VersionDroppedError(
            f"{name}: version {version.version} of partition {partition} cannot be read, since its data was dropped.",
            remedy=f"`ml-platform table history {name}` tells which versions are still whole.",
        ) from error


def _sorted_by(tables: TableStore, name: str, version: int) -> list[str]:
    """What the writers up to `version` said that the rows are sorted by; nothing if none of the last said it."""
    store = store_of(tables, name)
    logged = [each for each in logged_versions(store.list("_delta_log")) if each <= version]
    asked = read_entries(store, reversed(logged[-_COMMITS_ASKED_FOR_THE_KEY:]))
    columns: list[str] = next(
        (json.loads(each.metadata["sort_by"]) for each in asked if "sort_by" in each.metadata), []
    )
    return columns
