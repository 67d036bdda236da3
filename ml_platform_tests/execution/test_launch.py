"""Runs from the command line: the same history as the UI's, and a clear word when one fails."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import DagsterRunStatus

from ml_platform.errors import RunCanceledError, RunFailedError, RunRequestError
from ml_platform.execution.launch import PartitionRange, RunRequest, platform_location, run_job, run_url
from ml_platform_tests.execution.instances import platform_instance
from ml_platform_tests.execution.toy_location import TOY

FLIGHTS, DELAYS = dg.AssetKey("flights"), dg.AssetKey("delays")
BAD_MOOD = {"ops": {"delays": {"config": {"is_bad": True}}}}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with platform_instance(tmp_path) as instance:
        yield instance


def test_one_partition_is_materialized(instance: dg.DagsterInstance) -> None:
    run_job(instance, RunRequest(TOY, "toy_flights", partitions="2013-01-05"))
    assert instance.get_materialized_partitions(DELAYS) == {"2013-01-05"}


def test_a_range_of_partitions_is_one_run(instance: dg.DagsterInstance) -> None:
    run = run_job(instance, RunRequest(TOY, "toy_flights", partitions=PartitionRange("2013-01-01", "2013-01-31")))
    assert len(instance.get_materialized_partitions(DELAYS)) == 31
    assert [other.run_id for other in instance.get_runs()] == [run.run_id]


def test_a_selection_of_assets_is_materialized_and_nothing_else(instance: dg.DagsterInstance) -> None:
    run_job(instance, RunRequest(TOY, assets=[FLIGHTS], partitions="2013-01-05"))
    assert instance.get_materialized_partitions(FLIGHTS) == {"2013-01-05"}
    assert instance.get_materialized_partitions(DELAYS) == set()


def test_the_run_belongs_to_its_code_location(instance: dg.DagsterInstance) -> None:
    run = run_job(instance, RunRequest(TOY, "toy_flights", partitions="2013-01-05"))
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.location_name == TOY.name
    assert run.job_code_origin is not None
    assert instance.has_job_snapshot(run.job_snapshot_id or "")


def test_progress_is_told_event_by_event(instance: dg.DagsterInstance) -> None:
    seen: list[str] = []
    request = RunRequest(TOY, "toy_flights", partitions=PartitionRange("2013-01-01", "2013-01-02"))
    run_job(instance, request, lambda event: seen.append(event.event_type_value))
    assert seen.count("ASSET_MATERIALIZATION") == 4
    assert seen[-1] == "PIPELINE_SUCCESS"


def test_a_failed_run_is_told_with_step_reason_and_link(instance: dg.DagsterInstance) -> None:
    with pytest.raises(RunFailedError) as raised:
        run_job(instance, RunRequest(TOY, "toy_flights", partitions="2013-01-05", config=BAD_MOOD))
    run = instance.get_runs()[0]
    assert run.status is DagsterRunStatus.FAILURE
    for part in (run.run_id, "delays", "the sky fell", run_url(run.run_id)):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (RunRequest(TOY, "no_such_job"), "no_such_job"),
        (RunRequest(TOY, assets=[dg.AssetKey("no_such_asset")]), "no_such_asset"),
        (RunRequest(TOY, "toy_flights", partitions="2015-01-01"), "2015-01-01"),
        (RunRequest(TOY, "toy_flights", partitions=PartitionRange("2013-01-01", "2015-01-01")), "2015-01-01"),
        (RunRequest(TOY, "toy_flights", partitions="2013-01-05", config={"nonsense": 1}), "nonsense"),
    ],
)
def test_what_does_not_exist_is_refused(instance: dg.DagsterInstance, request_: RunRequest, named: str) -> None:
    with pytest.raises(RunRequestError, match=named):
        run_job(instance, request_)
    assert instance.get_runs() == []


def test_an_interrupted_run_is_canceled(instance: dg.DagsterInstance) -> None:
    def interrupt(event: dg.DagsterEvent) -> None:
        if event.is_step_start:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(RunCanceledError):
        run_job(instance, RunRequest(TOY, assets=[dg.AssetKey("patience")]), interrupt)
    assert instance.get_runs()[0].status is DagsterRunStatus.CANCELED


def test_the_platforms_locations_are_where_workspace_yaml_has_them() -> None:
    assert platform_location("data") == ("data", "ml_platform.data.definitions", "defs")
