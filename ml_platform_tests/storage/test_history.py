import polars as pl
import pytest

from ml_platform.errors import PartitionNotPublishedError, TableNotFoundError
from ml_platform.settings import Settings
from ml_platform.storage.history import difference, history, require_version, store_of, summarize
from ml_platform.storage.partition_rows import compare_partition
from ml_platform.storage.tables import TableStore
from ml_platform_tests.storage.scenario import FIRST_DAYS, TABLE, publish, readings


def shifted(days: list[str], by: float = 100.0) -> pl.DataFrame:
    return readings(days).with_columns(pl.col("reading") + by)


@pytest.fixture
def store(anywhere: Settings) -> TableStore:
    """Version 0 has three days by run `first`; version 1 changes the second day, by run `second`."""
    tables = TableStore.from_settings(anywhere)
    publish(tables, readings(), run_id="first", job="build")
    publish(tables, shifted(FIRST_DAYS[1:2]), FIRST_DAYS[1:2], run_id="second", job="build", sort_by='["day", "hour"]')
    return tables


def test_history_tells_who_wrote_what_the_newest_first(store: TableStore) -> None:
    newest, oldest = history(store, TABLE)
    assert [(each.version, each.run_id, each.operation) for each in (newest, oldest)] == [
        (1, "second", "publish"),
        (0, "first", "publish"),
    ]
    assert [each.partition for each in oldest.changes] == FIRST_DAYS
    assert [(each.partition, each.kind, each.rows_before, each.rows_after) for each in newest.changes] == [
        (FIRST_DAYS[1], "changed", 3, 3)
    ]


def test_content_roots_in_the_history_are_those_of_the_versions(store: TableStore) -> None:
    newest, oldest = history(store, TABLE)
    assert oldest.content_root_before is None
    assert oldest.content_root_after == newest.content_root_before == store.content_root(TABLE, version=0)
    assert newest.content_root_after == store.content_root(TABLE)


def test_a_limit_shows_the_newest_versions_with_the_same_words(store: TableStore) -> None:
    assert history(store, TABLE, limit=1) == history(store, TABLE)[:1]


def test_the_history_of_a_partition_leaves_out_versions_that_left_it_alone(store: TableStore) -> None:
    assert [each.version for each in history(store, TABLE, partition=FIRST_DAYS[0])] == [0]
    assert [each.version for each in history(store, TABLE, partition=FIRST_DAYS[1])] == [1, 0]
    with pytest.raises(PartitionNotPublishedError, match="no version ever had a partition 2014-01-01"):
        history(store, TABLE, partition="2014-01-01")


def test_history_goes_on_after_a_checkpoint_of_the_log(store: TableStore) -> None:
    for number in range(12):
        publish(store, shifted(FIRST_DAYS[:1], by=float(number + 1)), FIRST_DAYS[:1])
    told = history(store, TABLE, limit=None)
    assert [each.version for each in told] == list(range(13, -1, -1))
    assert told[0].content_root_after == store.content_root(TABLE)


def test_a_new_column_changes_only_the_partition_that_came_with_it(store: TableStore) -> None:
    publish(store, readings(FIRST_DAYS[:1]).with_columns(extra=1), FIRST_DAYS[:1])
    newest = history(store, TABLE)[0]
    assert (newest.version, newest.operation) == (2, "publish")
    assert [(each.partition, each.kind) for each in newest.changes] == [(FIRST_DAYS[0], "changed")]


def test_a_version_whose_data_is_gone_is_told_apart(store: TableStore) -> None:
    replaced = require_version(store, TABLE, 0).files[FIRST_DAYS[1]][0]
    store_of(store, TABLE).delete(replaced.path)
    assert [each.is_readable for each in history(store, TABLE)] == [True, False]


def test_a_table_that_is_not_there_is_said_to_be_missing(store: TableStore) -> None:
    with pytest.raises(TableNotFoundError, match=r"There is no table toy/reading at .* table list"):
        history(store, "toy/reading")
    with pytest.raises(TableNotFoundError, match=r"has no version 7\. Expected a version from 0 to 1"):
        difference(store, TABLE, 0, 7)


def test_a_difference_names_the_partitions_and_columns_that_differ(store: TableStore) -> None:
    publish(store, readings(["2013-01-04"]).with_columns(extra=1), ["2013-01-04"])
    found = difference(store, TABLE, 0, 2)
    assert found.columns.added == ("extra",)
    assert [(each.partition, each.kind) for each in found.partitions] == [
        (FIRST_DAYS[1], "changed"),
        ("2013-01-04", "added"),
    ]
    assert [each.kind for each in difference(store, TABLE, 2, 0).partitions] == ["changed", "removed"]


def test_the_rows_of_a_partition_are_compared_by_what_the_table_is_sorted_by(store: TableStore) -> None:
    found = compare_partition(store, TABLE, difference(store, TABLE, 0, 1), FIRST_DAYS[1])
    assert (found.key, found.changed_columns) == (("day", "hour"), {"reading": 3})
    assert found.changed["reading after"].to_list() == [102.0, 110.0, 118.0]
    assert (found.added.height, found.removed.height) == (0, 0)


def test_a_partition_that_one_version_lacks_has_all_its_rows_added(store: TableStore) -> None:
    publish(store, readings(["2013-01-04"]), ["2013-01-04"])
    found = compare_partition(store, TABLE, difference(store, TABLE, 0, 2), "2013-01-04")
    assert (found.added.height, found.removed.height) == (3, 0)
    with pytest.raises(PartitionNotPublishedError, match="neither version 0 nor version 2"):
        compare_partition(store, TABLE, difference(store, TABLE, 0, 2), "2013-01-05")


def test_the_summary_counts_what_stands_and_what_only_history_needs(store: TableStore) -> None:
    (found,) = summarize(store)
    files = [info.size for info in store_of(store, TABLE).list() if info.path.endswith(".parquet")]
    assert (found.name, found.version, found.partitions, found.rows) == (TABLE, 1, 3, 9)
    assert found.bytes + found.bytes_of_history == sum(files)
    assert found.bytes_of_history > 0
