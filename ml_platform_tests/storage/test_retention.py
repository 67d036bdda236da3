import tempfile
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import VersionDroppedError
from ml_platform.settings import Settings
from ml_platform.storage.history import history, store_of
from ml_platform.storage.restoring import restore
from ml_platform.storage.retention import RetentionPolicy, TableRetention, delete, plan_retention
from ml_platform.storage.table_log import write_checkpoint
from ml_platform.storage.tables import TableStore
from ml_platform_tests.places import local_settings
from ml_platform_tests.storage.scenario import FIRST_DAYS, TABLE, publish, readings

STRICT = RetentionPolicy(keep_days=1, keep_versions=1)
Content = dict[str, float]


@pytest.fixture
def store(anywhere: Settings) -> TableStore:
    """Five versions of the first day beside two days that never change; each version but the last is superseded."""
    tables = TableStore.from_settings(anywhere)
    publish(tables, readings())
    for number in range(1, 5):
        publish(tables, shifted(FIRST_DAYS[0], number), FIRST_DAYS[:1])
    return tables


def shifted(day: str, by: float) -> pl.DataFrame:
    return readings([day]).with_columns(pl.col("reading") + by)


def planned(
    store: TableStore, policy: RetentionPolicy = STRICT, pinned: Collection[int] = (), days_later: float = 7
) -> TableRetention:
    """What retention finds so many days after what was published just now."""
    objects = store_of(store, TABLE).list()
    return plan_retention(store, TABLE, objects, policy, pinned, datetime.now(UTC) + timedelta(days=days_later))


def retain(store: TableStore, plan: TableRetention) -> None:
    delete(store_of(store, TABLE), plan.files)


def readable(store: TableStore) -> list[int]:
    return [each.version for each in history(store, TABLE, limit=None) if each.is_readable]


def test_old_versions_go_and_the_newest_reads_as_before(store: TableStore) -> None:
    before = store.scan(TABLE).collect()
    plan = planned(store)
    assert (plan.dropped, len(plan.superseded), plan.abandoned) == ((0, 1, 2, 3), 4, ())
    retain(store, plan)
    assert readable(store) == [4]
    assert store.scan(TABLE).collect().equals(before)


def test_a_pinned_version_reads_as_before_even_when_others_are_gone(store: TableStore) -> None:
    before = store.scan(TABLE, version=2).collect()
    retain(store, planned(store, pinned=[2]))
    write_checkpoint(store.uri_of(TABLE), store.delta_options)
    assert readable(store) == [4, 2]
    assert store.scan(TABLE, version=2).collect().equals(before)


def test_the_last_versions_stay_however_old(store: TableStore) -> None:
    retain(store, planned(store, RetentionPolicy(keep_days=1, keep_versions=3), days_later=1000))
    assert readable(store) == [4, 3, 2]


def test_a_version_stays_for_days_after_another_replaced_it(store: TableStore) -> None:
    policy = RetentionPolicy(keep_days=30, keep_versions=1)
    assert planned(store, policy, days_later=29.9).dropped == ()
    assert planned(store, policy, days_later=30.1).dropped == (0, 1, 2, 3)


def test_files_that_nothing_refers_to_go_once_no_writer_can_be_about_to_commit_them(store: TableStore) -> None:
    store_of(store, TABLE).write("2013-01-01/left-by-a-killed-writer.parquet", b"half")
    assert planned(store, days_later=0.9).abandoned == ()
    plan = planned(store, days_later=1.1)
    assert [info.path for info in plan.abandoned] == ["2013-01-01/left-by-a-killed-writer.parquet"]


def test_nothing_but_data_files_is_ever_deleted(store: TableStore) -> None:
    for path in ("_delta_log/00000000000000000001.crc", "_change_data/part.parquet", "README.md"):
        store_of(store, TABLE).write(path, b"x")
    assert planned(store, days_later=1000).abandoned == ()


def test_deleting_twice_is_no_error(store: TableStore) -> None:
    plan = planned(store)
    retain(store, plan)
    retain(store, plan)
    assert planned(store).superseded == ()


def test_a_dropped_version_stays_in_the_history_and_is_not_restored(store: TableStore) -> None:
    retain(store, planned(store))
    assert [each.version for each in history(store, TABLE)] == [4, 3, 2, 1, 0]
    with pytest.raises(VersionDroppedError, match="Nothing was changed"):
        restore(store, TABLE, 1)


def test_a_restored_version_does_not_need_the_files_of_the_old_one(store: TableStore) -> None:
    before = store.scan(TABLE, version=1).collect()
    restore(store, TABLE, 1)
    retain(store, planned(store))
    assert store.scan(TABLE).collect().equals(before)


def test_of_many_checkpoints_the_last_stay_and_every_version_still_opens(store: TableStore) -> None:
    for number in range(5, 45):
        publish(store, shifted(FIRST_DAYS[0], number), FIRST_DAYS[:1])
    before = {version: store.content_root(TABLE, version=version) for version in range(45)}
    plan = planned(store, pinned=range(45))
    assert (len(plan.checkpoints), plan.superseded) == (2, ())
    retain(store, plan)
    assert {version: store.content_root(TABLE, version=version) for version in range(45)} == before
    assert store.version(TABLE) == 44


DAY_AND_VALUE = st.tuples(st.just("publish"), st.sampled_from(FIRST_DAYS), st.sampled_from([1.0, 2.0, 3.0]))
VERSION_AND_DAYS = st.tuples(
    st.just("restore"), st.integers(0, 9), st.one_of(st.none(), st.sets(st.sampled_from(FIRST_DAYS), min_size=1))
)
RETENTION = st.tuples(st.just("retain"), st.integers(1, 3), st.none())
PIN = st.tuples(st.just("pin"), st.integers(0, 9), st.none())


class Model:
    """What each version of a table held, kept beside the table itself."""

    def __init__(self, folder: Path) -> None:
        self.store = TableStore.from_settings(local_settings(folder))
        self.versions: list[Content] = []
        self.pinned: set[int] = set()
        self.publish(FIRST_DAYS[0], 0.0)

    def publish(self, day: str, value: float) -> None:
        publish(self.store, shifted(day, value), [day])
        self._became({**(self.versions[-1] if self.versions else {}), day: value})

    def restore(self, version: int, days: set[str] | None) -> None:
        version %= len(self.versions)
        old, new = self.versions[version], dict(self.versions[-1])
        chosen = {*old, *new} if days is None else days & {*old, *new}
        if not chosen:
            return
        try:
            restore(self.store, TABLE, version, partitions=None if days is None else sorted(chosen))
        except VersionDroppedError:
            assert version not in self.pinned
            return
        self._became({day: each[day] for day in {*old, *new} if day in (each := old if day in chosen else new)})

    def retain(self, keep_versions: int, _: None) -> None:
        retain(self.store, planned(self.store, RetentionPolicy(keep_days=1, keep_versions=keep_versions), self.pinned))

    def pin(self, back: int, _: None) -> None:
        """Pin a version that can still be read, as a run pins the newest and a model registers what its run read."""
        whole = readable(self.store)
        self.pinned.add(whole[back % len(whole)])

    def check(self) -> None:
        for version in {*self.pinned, len(self.versions) - 1}:
            expected = pl.concat([shifted(day, value) for day, value in sorted(self.versions[version].items())])
            assert self.store.scan(TABLE, version=version).collect().equals(expected)

    def _became(self, content: Content) -> None:
        if not self.versions or content != self.versions[-1]:
            self.versions.append(content)
        assert self.store.version(TABLE) == len(self.versions) - 1


@settings(max_examples=25)
@given(st.lists(st.one_of(DAY_AND_VALUE, VERSION_AND_DAYS, RETENTION, PIN), min_size=3, max_size=14))
def test_whatever_is_published_restored_and_dropped_the_newest_and_every_pinned_version_read_as_before(
    actions: list[tuple[str, int, None]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Model(Path(folder))
        for name, *arguments in actions:
            getattr(model, name)(*arguments)
            model.check()
