"""Tables, on local files and on S3."""

import datetime as dt
from collections.abc import ItemsView
from dataclasses import replace
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform.errors import (
    DefinitionError,
    PartitionMismatchError,
    PartitionNotPublishedError,
    StorageError,
    TableNotFoundError,
    WriteConflictError,
)
from ml_platform.settings import Settings
from ml_platform.storage import tables, turns
from ml_platform.storage.tables import TableStore
from ml_platform_tests.storage.scenario import FIRST_DAYS, TABLE, data_files, objects_of, publish, readings


@pytest.fixture
def store(anywhere: Settings) -> TableStore:
    return TableStore.from_settings(anywhere)


@pytest.fixture
def published(store: TableStore) -> TableStore:
    publish(store, readings())
    return store


def test_what_is_published_is_what_is_read(published: TableStore) -> None:
    assert published.scan(TABLE).collect().equals(readings())


def test_all_partitions_of_a_publication_are_one_commit(published: TableStore) -> None:
    assert [commit.version for commit in published.history(TABLE)] == [0]
    assert list(published.partitions(TABLE)) == FIRST_DAYS


def test_days_one_by_one_are_equal_to_days_in_one_publication(store: TableStore) -> None:
    together, apart = replace(store, uri=f"{store.uri}/together"), replace(store, uri=f"{store.uri}/apart")
    publish(together, readings())
    for day in reversed(FIRST_DAYS):
        publish(apart, readings([day]), [day])
    assert apart.partitions(TABLE) == together.partitions(TABLE)
    assert apart.content_root(TABLE) == together.content_root(TABLE)
    assert apart.scan(TABLE).collect().equals(together.scan(TABLE).collect())


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(9)), st.booleans())
def test_the_order_of_rows_does_not_matter(store: TableStore, order: list[int], by_hour: bool) -> None:
    table, sort_by = f"toy/{uuid4().hex}", ["hour"] if by_hour else []
    for frame in (readings(), readings()[order]):
        publication = store.publish(table, frame, FIRST_DAYS, key="day", sort_by=sort_by)
    assert publication.version == 0
    assert publication.unchanged == tuple(FIRST_DAYS)


def test_publishing_the_same_again_makes_no_commit_and_no_file(published: TableStore) -> None:
    files = data_files(published)
    publication = publish(published, readings())
    assert (publication.version, publication.written) == (0, ())
    assert data_files(published) == files


def test_only_the_partition_that_changed_is_written(published: TableStore) -> None:
    before = published.partitions(TABLE)
    corrected = readings().with_columns(reading=pl.when(pl.col("day").dt.day() == 2).then(0.0).otherwise("reading"))
    assert publish(published, corrected).written == ("2013-01-02",)
    after = published.partitions(TABLE)
    assert [day for day in FIRST_DAYS if before[day] != after[day]] == ["2013-01-02"]
    assert published.scan(TABLE).collect().equals(corrected)


def test_a_partition_without_rows_is_published_as_empty(published: TableStore) -> None:
    publication = publish(published, readings().clear(), ["2013-01-02"])
    assert publication.rows == {"2013-01-02": 0}
    assert published.partitions(TABLE)["2013-01-02"].rows == 0
    assert published.scan(TABLE, partitions=["2013-01-02"]).collect().equals(readings().clear())


class OvertakenCommit(dict[str, str]):
    """Lets another writer publish the same partition when this one's commit is about to be written."""

    def __init__(self, store: TableStore, other: pl.DataFrame) -> None:
        super().__init__(run_id="overtaken")
        self.overtaking = [lambda: publish(store, other, ["2013-02-01"])]

    def items(self) -> ItemsView[str, str]:
        if self.overtaking:
            self.overtaking.pop()()
        return super().items()


@pytest.fixture
def no_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers that overtake each other although they are on one machine."""
    monkeypatch.setattr(turns, "_LONGEST_WAIT_SECONDS", 0.0)


@pytest.mark.usefixtures("no_turns")
def test_a_writer_that_is_overtaken_in_the_last_moment_decides_again_and_stands(published: TableStore) -> None:
    mine = readings(["2013-02-01"])
    other = OvertakenCommit(published, mine.with_columns(reading=0.0))
    publication = published.publish(TABLE, mine, ["2013-02-01"], key="day", sort_by=["hour"], commit=other)
    assert publication.version == 2
    assert published.scan(TABLE, partitions=["2013-02-01"]).collect().equals(mine)


@pytest.mark.usefixtures("no_turns")
def test_a_writer_that_is_overtaken_every_time_gives_up_and_says_so(
    published: TableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    always = OvertakenCommit(published, readings().clear())
    always.overtaking = [
        lambda n=n: publish(published, readings(["2013-03-01"]).with_columns(reading=float(n)), ["2013-03-01"])
        for n in range(3)
    ]
    monkeypatch.setattr(tables, "_GIVE_UP_AFTER_SECONDS", 0)
    with pytest.raises(WriteConflictError, match=r"1 attempts.*all lost"):
        published.publish(TABLE, readings(["2013-02-01"]), ["2013-02-01"], key="day", commit=always)
    assert "2013-02-01" not in published.partitions(TABLE)


def test_an_older_version_stays_readable(published: TableStore) -> None:
    publish(published, readings().clear())
    assert published.scan(TABLE, version=0).collect().equals(readings())
    assert published.scan(TABLE).collect().is_empty()


def test_a_read_of_one_partition_opens_no_other_file(published: TableStore) -> None:
    for file in data_files(published):
        if not file.startswith("2013-01-02/"):
            objects_of(published).delete(file)
    assert published.scan(TABLE, partitions=["2013-01-02"]).collect().equals(readings(["2013-01-02"]))


def test_a_read_takes_only_the_columns_that_are_used(published: TableStore) -> None:
    plan = published.scan(TABLE, partitions=FIRST_DAYS[:2]).select("hour").explain()
    assert "PROJECT 1/3 COLUMNS" in plan
    assert plan.count(".parquet") == 2


def test_an_unpartitioned_table_is_replaced_whole(store: TableStore) -> None:
    for names in (["a", "b"], ["c"]):
        store.publish("toy/names", pl.DataFrame({"name": names}), key=None)
    assert store.scan("toy/names").collect()["name"].to_list() == ["c"]
    assert list(store.partitions("toy/names")) == ["all"]


def test_rows_of_another_partition_are_refused_and_nothing_is_published(published: TableStore) -> None:
    with pytest.raises(PartitionMismatchError, match=r"3 rows.*2013-01-03 \(3 rows\)"):
        publish(published, readings().with_columns(reading=0.0), FIRST_DAYS[:2])
    assert published.version(TABLE) == 0


def test_a_new_column_is_null_in_partitions_published_before(published: TableStore) -> None:
    wider = readings(FIRST_DAYS[:1]).with_columns(unit=pl.lit("C"))
    publish(published, wider, FIRST_DAYS[:1])
    assert published.scan(TABLE).collect()["unit"].to_list() == ["C"] * 3 + [None] * 6


def test_a_column_cannot_go_while_other_partitions_have_it(published: TableStore) -> None:
    with pytest.raises(StorageError, match=r"missing: reading.*version 0 with 3 partitions stands.*all 3 partitions"):
        publish(published, readings(FIRST_DAYS[:1]).drop("reading"), FIRST_DAYS[:1])
    assert published.scan(TABLE).collect().equals(readings())


def test_all_partitions_in_one_publication_may_change_the_columns(published: TableStore) -> None:
    changed = readings().drop("reading").with_columns(pl.col("hour").cast(pl.Int32))
    publish(published, changed)
    assert published.scan(TABLE).collect().equals(changed)
    assert published.scan(TABLE, version=0).collect().equals(readings())


@pytest.mark.parametrize("dtype", [pl.UInt8, pl.Duration, pl.Datetime("ms", "UTC"), pl.Datetime("us"), pl.Categorical])
def test_a_type_that_would_come_back_as_another_is_refused(store: TableStore, dtype: pl.DataType) -> None:
    with pytest.raises(DefinitionError, match="Column x has type"):
        store.publish(TABLE, pl.DataFrame(schema={"x": dtype}), key=None)


def test_every_type_that_a_table_takes_comes_back_as_it_was(store: TableStore) -> None:
    at = dt.datetime(2013, 7, 4, 12, tzinfo=dt.UTC)
    frame = (
        pl.DataFrame(
            {
                "i": [1, None],
                "f": [0.5, None],
                "b": [True, None],
                "s": ["a", None],
                "d": [at.date(), None],
                "at": [at, None],
            }
        )
        .with_columns(
            rules=pl.Series([["x", "y"], None]),
            small=pl.lit(1, pl.Int8),
            single=pl.lit(1.5, pl.Float32),
            raw=pl.lit(b"\x00"),
        )
        .with_columns(pl.col("at").dt.cast_time_unit("us"))
    )
    store.publish(TABLE, frame, key=None)
    read = store.scan(TABLE).collect()
    assert read.schema == frame.schema
    assert read.sort("i").equals(frame.sort("i"))


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a//b", "", ".hidden", "a\\b", "s3://x/y"])
def test_a_name_that_would_leave_the_store_is_refused(store: TableStore, name: str) -> None:
    with pytest.raises(StorageError, match="cannot be the name of a table"):
        store.version(name)


@pytest.mark.parametrize("name", ["toy", "toy/readings/daily", "toy/readings/a/b"])
def test_a_table_inside_the_folder_of_another_is_refused(published: TableStore, name: str) -> None:
    with pytest.raises(StorageError, match=f"{name} cannot be a table.*toy/readings"):
        published.publish(name, readings(), key=None)
    assert published.version(name) is None
    published.publish("toy/readings2", readings(), key=None)


def test_what_is_not_there_is_told_in_full(published: TableStore) -> None:
    with pytest.raises(TableNotFoundError, match=r"toy/other was never published.*Materialize toy/other"):
        published.scan("toy/other")
    with pytest.raises(TableNotFoundError, match="has no version 7"):
        published.scan(TABLE, version=7)
    with pytest.raises(PartitionNotPublishedError, match=r"2014-01-01.*2013-01-01 to 2013-01-03.*Materialize"):
        published.scan(TABLE, partitions=["2014-01-01"])
    assert published.version("toy/other") is None


def test_the_history_keeps_what_the_writer_recorded(store: TableStore) -> None:
    publish(store, readings(), run_id="r1")
    publish(store, readings().clear(), run_id="r2")
    assert [commit.metadata["run_id"] for commit in store.history(TABLE)] == ["r2", "r1"]
    assert store.history(TABLE)[0].committed_at.tzinfo == dt.UTC


def test_the_content_root_depends_on_content_alone(published: TableStore) -> None:
    root, part = published.content_root(TABLE), published.content_root(TABLE, FIRST_DAYS[:1])
    publish(published, readings().with_columns(reading=0.0), FIRST_DAYS)
    assert published.content_root(TABLE) != root
    publish(published, readings())
    assert (published.content_root(TABLE), published.content_root(TABLE, FIRST_DAYS[:1])) == (root, part)
