from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.provenance.trace_tables import TableLogs
from ml_platform.storage.restoring import restore
from ml_platform.storage.tables import TableStore

DAYS = ("2013-01-01", "2013-01-02", "2013-01-03")
PUBLICATIONS = st.lists(st.dictionaries(st.sampled_from(DAYS), st.integers(0, 2), min_size=1), min_size=1, max_size=6)


def publish(tables: TableStore, values: dict[str, int]) -> int:
    frame = pl.DataFrame({"day": list(values), "value": list(values.values())})
    return tables.publish("toy/table", frame, sorted(values), key="day").version


@settings(max_examples=20)
@given(PUBLICATIONS)
def test_each_partition_is_told_with_the_commit_that_last_changed_it(
    tmp_path_factory: object, publications: list[dict[str, int]]
) -> None:
    tables = TableStore(str(Path(tmp_path_factory.mktemp("law")) / "lake"))  # type: ignore[attr-defined]
    now: dict[str, int] = {}
    since: dict[str, int] = {}
    for values in publications:
        version = publish(tables, values)
        since |= {day: version for day, value in values.items() if now.get(day) != value}
        now |= values
    groups = TableLogs(tables).published("toy/table", DAYS)
    assert {day: group.commit.version for group in groups for day in group.keys} == since


def test_an_older_version_is_told_as_it_was(tmp_path: Path) -> None:
    tables = TableStore(str(tmp_path))
    for value in (1, 2, 1):
        publish(tables, {DAYS[0]: value})
    logs = TableLogs(tables)
    assert [logs.published("toy/table", DAYS, at)[0].commit.version for at in range(3)] == [0, 1, 2]
    assert logs.changed("toy/table", DAYS[:1], 0) == ()
    assert logs.changed("toy/table", DAYS[:1], 1) == (DAYS[0],)


def test_a_restored_partition_is_told_with_the_commit_that_first_made_it(tmp_path: Path) -> None:
    tables = TableStore(str(tmp_path))
    for value in (1, 2):
        publish(tables, {DAYS[0]: value})
    restore(tables, "toy/table", 0)
    (group,) = TableLogs(tables).published("toy/table", DAYS)
    assert (group.commit.version, group.restored_by) == (0, (2,))


def test_files_that_were_only_written_again_keep_their_commit(tmp_path: Path) -> None:
    tables = TableStore(str(tmp_path))
    for value in (1, 2):
        publish(tables, {DAYS[0]: value})
        publish(tables, {DAYS[1]: 7})
    groups = TableLogs(tables).published("toy/table", DAYS)
    assert [(group.keys, group.commit.version) for group in groups] == [((DAYS[0],), 2), ((DAYS[1],), 1)]


def test_a_table_or_version_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    logs = TableLogs(TableStore(str(tmp_path)))
    assert logs.newest("toy/none") is None
    assert logs.published("toy/none", DAYS) == []
    assert logs.states("toy/none", 7) == {}
