"""`ml-platform backfill` as a user meets it, with a real webserver on a toy location and no daemon."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.storage.tags import PARENT_BACKFILL_ID_TAG
from typer.testing import CliRunner, Result

from ml_platform.cli import app
from ml_platform.errors import RunRequestError, UnknownAssetError, WebserverUnreachableError
from ml_platform.execution.instance import open_instance
from ml_platform.local_servers.ports import LOOPBACK, free_ports
from ml_platform.operations.backfills.request import Backfills
from ml_platform.operations.backfills.selection import Asked
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform_tests.operations.backfill_location import DAYS, TOY, fail
from ml_platform_tests.operations.webserver import webserver

NUMBERS = "toy/numbers"
Command = Callable[..., Result]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home, with a webserver on its history for all tests of this module."""
    folder = tmp_path_factory.mktemp("home")
    environment = {"ML_PLATFORM_HOME": str(folder), "DAGSTER_HOME": str(PROJECT_ROOT), "PYTHONPATH": str(PROJECT_ROOT)}
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name, value in environment.items():
            patch.setenv(name, value)
        url = stack.enter_context(webserver(folder, "-m", TOY.module, environment=environment))
        patch.setenv("ML_PLATFORM_DAGSTER_URL", url)
        yield folder


@pytest.fixture
def command(home: Path) -> Command:
    fail(home)
    return lambda *arguments: CliRunner().invoke(app, ["backfill", *arguments], catch_exceptions=False)


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance() as instance:
        yield instance


def test_a_backfill_is_begun_over_just_what_was_asked_for(command: Command, instance: dg.DagsterInstance) -> None:
    shown = command("run", NUMBERS, "--partition", DAYS[0], "--from", DAYS[3], "--to", DAYS[5]).stdout
    backfill = instance.get_backfills(limit=1)[0]
    assert backfill.backfill_id in shown
    assert backfill.asset_backfill_data is not None
    target = backfill.asset_backfill_data.target_subset
    assert {key.to_user_string() for key in target.asset_keys} == {NUMBERS}
    assert [each.partition_key for each in target.iterate_asset_partitions()] == [DAYS[0], *DAYS[3:6]]


def test_a_dry_run_says_what_and_starts_nothing(command: Command, instance: dg.DagsterInstance) -> None:
    before = instance.get_backfills_count()
    shown = command("run", "toy/clean", "--all", "--downstream", "--dry-run").stdout
    assert "606 partitions in 7 runs" in shown
    assert "There is no history of" in shown
    assert instance.get_backfills_count() == before


def test_a_name_that_there_is_not_brings_near_ones(command: Command) -> None:
    with pytest.raises(UnknownAssetError, match="perhaps toy/numbers"):
        command("run", "toy/number", "--all")


def test_a_day_outside_of_the_calendar_is_refused(command: Command) -> None:
    with pytest.raises(RunRequestError, match="2013-01-01 to 2013-07-19"):
        command("run", NUMBERS, "--partition", "2014-01-01")


def test_nothing_to_do_is_said_and_is_no_failure(command: Command, instance: dg.DagsterInstance) -> None:
    before = instance.get_backfills_count()
    done = command("run", "toy/sums", "--failed")
    assert (done.exit_code, instance.get_backfills_count()) == (0, before)
    assert "Nothing to do" in done.stdout


def test_without_a_webserver_it_says_how_to_have_one(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_DAGSTER_URL", f"http://{LOOPBACK}:{free_ports(1)[0]}")
    with pytest.raises(WebserverUnreachableError, match=r"make dev.*--here"):
        command("run", NUMBERS, "--all")


def test_a_canceled_backfill_is_left_to_the_daemon_to_end(command: Command, instance: dg.DagsterInstance) -> None:
    command("run", NUMBERS, "--partition", DAYS[0])
    backfill_id = instance.get_backfills(limit=1)[0].backfill_id
    assert "is being canceled" in command("cancel", backfill_id[:6]).stdout
    stands = instance.get_backfill(backfill_id)
    assert stands is not None
    assert stands.status is BulkActionStatus.CANCELING


def test_one_that_failed_is_shown_and_resumed_with_what_it_left(
    command: Command, home: Path, instance: dg.DagsterInstance
) -> None:
    failed = _failed(home, instance, DAYS[10:13], DAYS[11])
    shown = command("show", failed).stdout
    assert all(text in shown for text in ("ValueError in toy__numbers (code)", f"resume {failed}", "1 failure"))
    assert "4 partitions in 2 runs" in command("resume", failed, "--dry-run").stdout
    command("resume", failed)
    again = instance.get_backfills(limit=1)[0]
    assert again.tags[PARENT_BACKFILL_ID_TAG] == failed
    assert again.asset_backfill_data is not None
    left = again.asset_backfill_data.target_subset.iterate_asset_partitions()
    assert {(each.asset_key.path[-1], each.partition_key) for each in left} == {
        ("numbers", DAYS[11]),
        *(("sums", day) for day in DAYS[10:13]),
    }
    assert f"It was resumed as {again.backfill_id}" in command("show", failed).stdout


def test_all_are_listed_and_shown_as_data_too(command: Command, home: Path, instance: dg.DagsterInstance) -> None:
    failed = _failed(home, instance, DAYS[20:22], DAYS[20])
    listed = json.loads(command("list", "--json").stdout)
    assert [listed[0][name] for name in ("backfill_id", "made", "failed", "targeted")] == [failed, 1, 3, 4]
    assert json.loads(command("show", failed, "--json").stdout)["runs"] == {"failure": 1}
    assert failed in command("list").stdout


def _failed(home: Path, instance: dg.DagsterInstance, days: list[str], failing: str) -> str:
    """Id of a backfill that is over, one of whose days failed by its code, which is mended since."""
    fail(home, failing)
    backfills = Backfills(Settings(), instance, [], [TOY], here=True)
    with backfills.api() as api:
        planned = backfills.plan(api, [NUMBERS, "toy/sums"], Asked(days), downstream=False)
        done = backfills.do_here(api, planned, lambda _: None)[-1]
    fail(home)
    return done.backfill_id
