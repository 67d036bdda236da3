import io
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

from ml_platform.errors import (
    ObjectCorruptError,
    PartitionNotPublishedError,
    StorageError,
    TableNotFoundError,
    VersionDroppedError,
)
from ml_platform.settings import Settings
from ml_platform.storage.content import content_hash
from ml_platform.storage.history import history, require_version, store_of
from ml_platform.storage.memo import Made, Memo
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.restoring import merge_files, restore
from ml_platform.storage.table_log import Change, advance
from ml_platform.storage.tables import TableStore, write_data_file
from ml_platform_tests.storage.scenario import FIRST_DAYS, TABLE, publish, readings

LATER = "2013-01-04"


def shifted(days: list[str], by: float = 100.0) -> pl.DataFrame:
    return readings(days).with_columns(pl.col("reading") + by)


@pytest.fixture
def store(anywhere: Settings) -> TableStore:
    """Version 0 has three days; version 1 changes the second and adds a fourth."""
    tables = TableStore.from_settings(anywhere)
    publish(tables, readings())
    publish(tables, pl.concat([shifted(FIRST_DAYS[1:2]), readings([LATER])]), [FIRST_DAYS[1], LATER])
    return tables


def data_files(store: TableStore) -> set[str]:
    return {info.path for info in store_of(store, TABLE).list() if info.path.endswith(".parquet")}


def first_file(store: TableStore, day: str) -> str:
    return require_version(store, TABLE, 0).files[day][0].path


def test_a_restored_version_is_the_newest_in_one_commit(store: TableStore) -> None:
    done = restore(store, TABLE, 0)
    assert (done.before, done.version) == (1, 2)
    assert store.scan(TABLE).collect().equals(readings())
    assert store.content_root(TABLE) == store.content_root(TABLE, version=0)
    assert len(store.scan(TABLE, version=1).collect()) == 12


def test_only_partitions_whose_content_differs_are_written(store: TableStore) -> None:
    before = data_files(store)
    done = restore(store, TABLE, 0)
    assert [(each.partition, each.kind) for each in done.changes] == [(FIRST_DAYS[1], "changed"), (LATER, "removed")]
    assert [path.split("/")[0] for path in data_files(store) - before] == [FIRST_DAYS[1]]


def test_a_restore_is_in_the_history_with_who_and_why(store: TableStore) -> None:
    restore(store, TABLE, 0, commit={"by": "ada", "reason": "bad upstream"})
    newest = history(store, TABLE)[0]
    assert (newest.operation, newest.by, newest.reason) == ("restore of version 0", "ada", "bad upstream")
    assert {each.partition: each.kind for each in newest.changes} == {FIRST_DAYS[1]: "changed", LATER: "removed"}


def test_what_is_there_already_is_not_restored_again(store: TableStore) -> None:
    restore(store, TABLE, 0)
    again = restore(store, TABLE, 0)
    assert (again.is_needed, again.version) == (False, 2)
    assert store.version(TABLE) == 2


def test_a_dry_run_tells_the_same_changes_and_makes_none(store: TableStore) -> None:
    told = restore(store, TABLE, 0, dry_run=True)
    assert store.version(TABLE) == 1
    assert restore(store, TABLE, 0).changes == told.changes


def test_only_the_partitions_asked_for_are_restored(store: TableStore) -> None:
    restore(store, TABLE, 0, partitions=[LATER])
    assert list(store.partitions(TABLE)) == FIRST_DAYS
    assert store.partitions(TABLE)[FIRST_DAYS[1]] == store.partitions(TABLE, 1)[FIRST_DAYS[1]]


def test_a_restored_table_has_the_columns_of_that_version(store: TableStore) -> None:
    days = [*FIRST_DAYS, LATER]
    publish(store, readings(days).with_columns(pl.col("reading").cast(pl.String), extra=1), days)
    assert restore(store, TABLE, 1).columns_changed
    assert store.scan(TABLE).collect().equals(store.scan(TABLE, version=1).collect())
    assert store.content_root(TABLE) == store.content_root(TABLE, version=1)
    assert publish(store, readings(FIRST_DAYS[:1]), FIRST_DAYS[:1]).written == ()


def test_partitions_that_stayed_alike_stay_when_the_columns_are_restored(store: TableStore) -> None:
    publish(store, shifted(FIRST_DAYS[:1]).with_columns(extra=1), FIRST_DAYS[:1])
    done = restore(store, TABLE, 1)
    assert ([each.partition for each in done.changes], done.columns_changed) == (FIRST_DAYS[:1], True)
    assert store.scan(TABLE).collect().equals(store.scan(TABLE, version=1).collect())


def test_a_restored_partition_is_null_in_columns_added_since(store: TableStore) -> None:
    publish(store, shifted(FIRST_DAYS[:1]).with_columns(extra=1), FIRST_DAYS[:1])
    restore(store, TABLE, 0, partitions=FIRST_DAYS[:1])
    rows = store.scan(TABLE, partitions=FIRST_DAYS[:1]).collect()
    assert rows.drop("extra").equals(readings(FIRST_DAYS[:1]))
    assert rows["extra"].null_count() == 3


def test_a_partition_with_other_columns_is_refused(store: TableStore) -> None:
    days = [*FIRST_DAYS, LATER]
    publish(store, readings(days).drop("reading"), days)
    with pytest.raises(StorageError, match=r"of version 0 do not fit .* \(missing: reading\).*Restore the whole table"):
        restore(store, TABLE, 0, partitions=FIRST_DAYS[:1])
    assert store.version(TABLE) == 2


def test_a_version_or_partition_that_never_was_is_refused(store: TableStore) -> None:
    with pytest.raises(TableNotFoundError, match=r"no version 9\. Expected a version from 0 to 1"):
        restore(store, TABLE, 9)
    with pytest.raises(PartitionNotPublishedError, match="neither version 0 nor version 1 has 2014-01-01"):
        restore(store, TABLE, 0, partitions=["2014-01-01"])


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_version_whose_data_is_gone_is_refused_and_the_newest_stands(store: TableStore, *, dry_run: bool) -> None:
    store_of(store, TABLE).delete(first_file(store, FIRST_DAYS[1]))
    with pytest.raises(VersionDroppedError, match="1 of the 1 data files"):
        restore(store, TABLE, 0, dry_run=dry_run)
    assert store.version(TABLE) == 1


def test_data_that_restoring_does_not_need_may_be_gone(store: TableStore) -> None:
    publish(store, shifted(FIRST_DAYS[:1]), FIRST_DAYS[:1])
    store_of(store, TABLE).delete(first_file(store, FIRST_DAYS[1]))
    restore(store, TABLE, 0, partitions=FIRST_DAYS[:1])
    assert store.scan(TABLE, partitions=FIRST_DAYS[:1]).collect().equals(readings(FIRST_DAYS[:1]))


def test_data_that_is_not_what_was_published_is_refused(store: TableStore) -> None:
    path = first_file(store, FIRST_DAYS[1])
    store_of(store, TABLE).write(path, store_of(store, TABLE).read(first_file(store, FIRST_DAYS[0])))
    with pytest.raises(ObjectCorruptError, match="does not hold what was published"):
        restore(store, TABLE, 0)
    store_of(store, TABLE).write(path, b"no parquet")
    with pytest.raises(ObjectCorruptError, match="no parquet file"):
        restore(store, TABLE, 0)
    assert store.version(TABLE) == 1


def test_restores_and_publications_at_once_all_land(store: TableStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        days = [pool.submit(publish, store, readings([f"2013-02-0{n}"]), [f"2013-02-0{n}"]) for n in (1, 2, 3)]
        restored = pool.submit(restore, store, TABLE, 0, partitions=[FIRST_DAYS[1], LATER])
        assert [len(day.result().written) for day in days] == [1, 1, 1]
        assert restored.result().is_needed
    assert list(store.partitions(TABLE)) == [*FIRST_DAYS, "2013-02-01", "2013-02-02", "2013-02-03"]
    assert store.scan(TABLE, partitions=FIRST_DAYS).collect().equals(readings())


def test_restored_content_is_not_taken_for_what_the_present_inputs_make(store: TableStore, tmp_path: object) -> None:
    day, memo = FIRST_DAYS[1], Memo(ObjectStore(f"file://{tmp_path}"), TABLE)
    memo.record({day: Made("bad input", store.partitions(TABLE)[day].content_hash, {})})
    assert list(memo.reusable({day: "bad input"}, store.partitions(TABLE))) == [day]
    restore(store, TABLE, 0)
    assert memo.reusable({day: "bad input"}, store.partitions(TABLE)) == {}


def leave_two_files(store: TableStore, day: str) -> None:
    """As another writer may: the rows of `day` in two files, under a content hash of its own."""
    folder, newest = store_of(store, TABLE), require_version(store, TABLE)
    parts = [readings([day]).slice(0, 2), readings([day]).slice(2)]
    files = [write_data_file(folder, day, "0" * 64, part.height, as_parquet(part)) for part in parts]
    advance(
        store.uri_of(TABLE), store.delta_options, newest, Change(files, [day], newest.schema, {}), replace_all=False
    )


def as_parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def test_several_files_of_a_partition_become_one_with_its_true_content_hash(store: TableStore) -> None:
    leave_two_files(store, FIRST_DAYS[1])
    read = store.scan(TABLE, partitions=[FIRST_DAYS[1]]).collect()
    assert merge_files(store, TABLE) == (FIRST_DAYS[1],)
    assert len(require_version(store, TABLE).files[FIRST_DAYS[1]]) == 1
    assert store.scan(TABLE, partitions=[FIRST_DAYS[1]]).collect().equals(read)
    assert store.partitions(TABLE)[FIRST_DAYS[1]].content_hash == content_hash(read)
    assert (history(store, TABLE)[0].operation, merge_files(store, TABLE)) == ("merge", ())
