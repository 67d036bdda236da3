"""The instance: one history, wherever Dagster is started from."""

import os
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterEventType
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG
from dagster._daemon.auto_run_reexecution.event_log_consumer import _create_cursor_key, _persist_cursors

from ml_platform.execution.instance import instance_folder, open_instance
from ml_platform.execution.launcher import worker_tag
from ml_platform.execution.overlooked_retries import CURSOR, reconsider_overlooked
from ml_platform.recovery.lost_processes import LOST_PROCESSES_TAG, lost_processes
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform_tests.execution.instances import materialization, platform_instance


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ML_PLATFORM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return tmp_path / "home"


def as_dagster_dev_opens_it(folder: Path) -> dg.DagsterInstance:
    """`dagster dev` without DAGSTER_HOME: the configuration of the working folder, a temporary base folder."""
    folder.mkdir()
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), config_dir=str(PROJECT_ROOT)))


def test_plain_dagster_dev_finds_what_an_earlier_start_left(home: Path, tmp_path: Path) -> None:
    for temporary in ("first", "second"):
        with as_dagster_dev_opens_it(tmp_path / temporary) as instance:
            instance.report_runless_asset_event(materialization(temporary))
    with as_dagster_dev_opens_it(tmp_path / "third") as instance:
        assert instance.get_materialized_partitions(dg.AssetKey("flights")) == {"first", "second"}


def test_dagster_home_leads_to_the_same_history(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with as_dagster_dev_opens_it(tmp_path / "temporary") as instance:
        instance.report_runless_asset_event(materialization("2013-01-01"))
    monkeypatch.setenv("DAGSTER_HOME", str(PROJECT_ROOT))
    with dg.DagsterInstance.get() as instance:
        assert instance.get_materialized_partitions(dg.AssetKey("flights")) == {"2013-01-01"}


def test_everything_that_the_instance_keeps_is_below_home(home: Path, tmp_path: Path) -> None:
    with as_dagster_dev_opens_it(tmp_path / "temporary") as instance:
        instance.report_runless_asset_event(materialization("2013-01-01"))
        assert Path(instance.root_directory) == instance_folder(Settings())
        assert Path(instance.get_ref().compute_logs_data.config_dict["base_dir"]).is_relative_to(home)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_command_line_opens_the_same_history(home: Path, tmp_path: Path) -> None:
    with open_instance() as instance:
        instance.report_runless_asset_event(materialization("2013-01-01"))
    with as_dagster_dev_opens_it(tmp_path / "temporary") as instance:
        assert instance.get_materialized_partitions(dg.AssetKey("flights")) == {"2013-01-01"}


def test_dagster_yaml_names_no_path_and_sends_no_telemetry() -> None:
    text = (PROJECT_ROOT / "dagster.yaml").read_text()
    assert "base_dir" not in text
    ref = InstanceRef.from_dir(str(PROJECT_ROOT))
    assert ref.settings["telemetry"] == {"enabled": False}


def at_work(
    instance: dg.DagsterInstance, run_id: str, tags: dict[str, str], parent: str | None = None
) -> dg.DagsterRun:
    """A run that a process works on, as the tags say."""
    run = dg.DagsterRun("train", run_id=run_id, tags=tags, root_run_id=parent, parent_run_id=parent)
    return instance.add_run(run.with_status(dg.DagsterRunStatus.STARTED))


def test_a_run_counts_the_workers_that_it_and_those_that_it_retries_lost(tmp_path: Path) -> None:
    with platform_instance(tmp_path) as instance:
        instance.report_run_failed(at_work(instance, "first", {}))
        first = instance.get_run_by_id("first")
        assert first is not None
        instance.report_run_failed(at_work(instance, "retry", dict(first.tags), parent="first"))
        retry = instance.get_run_by_id("retry")
        assert retry is not None
        assert [lost_processes(run) for run in (first, retry)] == [1, 2]


def test_what_a_living_worker_reports_is_no_lost_process(tmp_path: Path) -> None:
    with platform_instance(tmp_path) as instance:
        instance.report_run_failed(at_work(instance, "mine", worker_tag("mine", os.getpid())))
        mine = instance.get_run_by_id("mine")
        assert mine is not None
        assert LOST_PROCESSES_TAG not in mine.tags


@pytest.mark.parametrize(("tags", "is_looked_at"), [({}, True), ({AUTO_RETRY_RUN_ID_TAG: "retry"}, False)])
def test_a_failure_that_the_daemon_passed_by_is_looked_at_again(
    tmp_path: Path, tags: dict[str, str], is_looked_at: bool
) -> None:
    with platform_instance(tmp_path) as instance:
        instance.report_run_failed(at_work(instance, "overlooked", tags))
        last = instance.get_records_for_run("overlooked").records[-1].storage_id
        instance.daemon_cursor_storage.set_cursor_values({CURSOR: str(last)})
        reconsider_overlooked(instance)
        cursor = int(instance.daemon_cursor_storage.get_cursor_values({CURSOR})[CURSOR])
        assert (cursor < last) == is_looked_at


def test_the_daemon_keeps_its_place_where_it_is_sent_back_to(tmp_path: Path) -> None:
    assert _create_cursor_key(DagsterEventType.RUN_FAILURE) == CURSOR
    with platform_instance(tmp_path) as instance:
        _persist_cursors(instance, {DagsterEventType.RUN_FAILURE: 7})
        assert instance.daemon_cursor_storage.get_cursor_values({CURSOR}) == {CURSOR: "7"}
