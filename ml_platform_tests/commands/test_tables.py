"""`ml-platform table` and `ml-platform maintain` as a user meets them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from ml_platform.cli import app
from ml_platform.errors import TableNotFoundError
from ml_platform.storage.tables import TableStore
from ml_platform_tests.places import local_settings
from ml_platform_tests.storage.scenario import FIRST_DAYS, TABLE, publish, readings

SORTED_BY = '["day", "hour"]'
Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command on a platform whose one table has two versions: the second has another second day."""
    tables = TableStore.from_settings(local_settings(tmp_path))
    publish(tables, readings(), run_id="0123456789", job="build_toy_days")
    shifted = readings(FIRST_DAYS[1:2]).with_columns(pl.col("reading") + 1)
    publish(tables, shifted, FIRST_DAYS[1:2], run_id="abcdef", job="build_toy_days", sort_by=SORTED_BY)
    monkeypatch.setenv("ML_PLATFORM_HOME", str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return lambda *arguments: CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def data(result: Result) -> Any:
    return json.loads(result.stdout)


def test_tables_are_listed_with_what_they_hold(command: Command) -> None:
    (row,) = [line.split() for line in command("table", "list").stdout.splitlines() if TABLE in line]
    assert row[:4] == [TABLE, "1", "3", "9"]


def test_history_shows_run_partitions_and_content(command: Command) -> None:
    shown = command("table", "history", TABLE).stdout
    newest, oldest = data(command("table", "history", TABLE, "--json"))
    assert (newest["version"], newest["run_id"], newest["changes"][0]["partition"]) == (1, "abcdef", FIRST_DAYS[1])
    assert oldest["content_root_after"] == newest["content_root_before"]
    assert all(text in shown for text in ("build_toy_days", "run abcdef", "run 01234567", f"3: {FIRST_DAYS[0]} to"))


def test_history_of_one_partition_and_a_limit(command: Command) -> None:
    assert len(data(command("table", "history", TABLE, "--partition", FIRST_DAYS[0], "--json"))) == 1
    assert len(data(command("table", "history", TABLE, "--limit", "1", "--json"))) == 1


def test_a_difference_shows_partitions_and_rows(command: Command) -> None:
    assert "0 added, 0 removed, 1 changed" in command("table", "diff", TABLE, "0", "1").stdout
    rows = command("table", "diff", TABLE, "0", "1", "--partition", FIRST_DAYS[1]).stdout
    assert "0 rows added, 0 removed, 3 changed" in rows
    assert "reading (3 rows)" in rows
    found = data(command("table", "diff", TABLE, "0", "1", "--partition", FIRST_DAYS[1], "--json"))
    assert found["rows"]["examples"]["changed"][0]["reading after"] == 3.0


def test_a_dry_restore_says_what_it_would_change(command: Command) -> None:
    shown = command("table", "restore", TABLE, "0", "--dry-run").stdout
    assert f"Restoring version 0 of {TABLE} would change 1 partition:" in shown
    assert len(data(command("table", "history", TABLE, "--json"))) == 2


def test_a_restore_says_what_it_did_and_again_that_there_is_nothing_to_do(command: Command) -> None:
    shown = command("table", "restore", TABLE, "0", "--reason", "a drill").stdout
    assert f"Version 2 of {TABLE} has the content of version 0 again, instead of that of version 1" in shown
    assert "Dagster was told of 3 partitions" in shown
    assert "nothing was written" in command("table", "restore", TABLE, "0").stdout
    assert data(command("table", "history", TABLE, "--json"))[0]["reason"] == "a drill"


def test_a_table_that_is_not_there_is_an_error(command: Command) -> None:
    with pytest.raises(TableNotFoundError, match="There is no table toy/nothing"):
        command("table", "history", "toy/nothing")


def test_maintenance_does_nothing_unless_it_is_told_to_apply(command: Command) -> None:
    assert "Nothing was done: add --apply to do it." in command("maintain").stdout
    report = data(command("maintain", "--apply", "--keep-versions", "1", "--json"))
    assert (report["is_applied"], report["tables"][0]["table"], report["bytes"]) == (True, TABLE, 0)
