"""A table that is watched has the version that its log has, and its log is read only when it moved."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from ml_platform.storage import table_log
from ml_platform.storage.tables import TableStore
from ml_platform.storage.watched import WatchedTables

NAME = "flights/clean"


def publish(tables: TableStore, *rows: int) -> int:
    """A version with these rows."""
    return tables.publish(NAME, pl.DataFrame({"n": rows}), key=None).version


@pytest.fixture
def tables(tmp_path: Path) -> TableStore:
    """No table yet."""
    return TableStore(f"file://{tmp_path}/lake")


def test_the_version_is_that_of_the_newest_commit(tables: TableStore) -> None:
    watched = WatchedTables(tables)
    assert watched.version(NAME) is None
    for rows in ((1,), (1, 2), (3,)):
        publish(tables, *rows)
        assert watched.version(NAME) == tables.version(NAME)
    publish(tables, 4)
    publish(tables, 5)
    assert watched.version(NAME) == 4


def test_a_log_that_did_not_move_is_not_read(tables: TableStore, monkeypatch: pytest.MonkeyPatch) -> None:
    watched, read = WatchedTables(tables), []
    publish(tables, 1)
    monkeypatch.setattr(table_log, "_open", lambda *_: read.append(1) or opened(*_))
    assert [watched.version(NAME) for _ in range(5)] == [0] * 5
    assert len(read) == 1


def test_a_table_that_was_removed_or_made_anew_is_seen_to_be_another(tables: TableStore, tmp_path: Path) -> None:
    watched, folder = WatchedTables(tables), tmp_path / "lake" / NAME
    publish(tables, 1)
    publish(tables, 2)
    assert watched.version(NAME) == 1
    shutil.move(folder, tmp_path / "away")
    assert watched.version(NAME) is None
    shutil.move(tmp_path / "away", folder)
    assert watched.version(NAME) == 1
    shutil.rmtree(folder)
    publish(tables, 3)
    assert watched.version(NAME) == 0


def test_a_table_whose_newest_commit_is_only_in_a_checkpoint_is_read_each_time(
    tables: TableStore, tmp_path: Path
) -> None:
    watched = WatchedTables(tables)
    publish(tables, 1)
    publish(tables, 2)
    table_log.write_checkpoint(tables.uri_of(NAME), tables.delta_options)
    (tmp_path / "lake" / NAME / "_delta_log" / f"{1:020}.json").unlink()
    assert [watched.version(NAME) for _ in range(2)] == [1, 1] == [tables.version(NAME)] * 2


opened = table_log._open
