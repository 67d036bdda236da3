"""Maintenance on real tables, a real registry and a real instance: what must stay stays."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform.errors import RetentionRefusedError
from ml_platform.settings import Settings
from ml_platform.storage.history import store_of
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectInfo, ObjectStore
from ml_platform.storage.pins import Pins
from ml_platform.storage.resources import storage_resources
from ml_platform.storage.retention import RetentionPolicy
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.training.maintenance import MaintenanceReport, Places, maintain
from ml_platform.training.maintenance_job import maintenance_definitions
from ml_platform_tests.places import KINDS, local_settings, s3_settings
from ml_platform_tests.storage.scenario import FIRST_DAYS, TABLE, publish, readings
from ml_platform_tests.tracking.scenario import copy_store, tracking_in
from ml_platform_tests.training.scenario import toy_inputs, toy_use_case

STRICT = RetentionPolicy(keep_days=1, keep_versions=1)
LATER = dt.datetime.now(dt.UTC) + dt.timedelta(days=7)
FINISHED, UNFINISHED = "training/toy/delay/finished", "training/toy/delay/unfinished"


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    assert tracking_in(folder).registry.names() == []
    return folder


@pytest.fixture
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Local files, or S3 for tests that ask for both."""
    is_local = getattr(request, "param", "local") == "local"
    return local_settings(tmp_path) if is_local else s3_settings(tmp_path, request.getfixturevalue("s3"))


@pytest.fixture
def places(empty_store: Path, tmp_path: Path, where: Settings) -> Iterator[Places]:
    """Four versions of one table, and a registry without models."""
    copy_store(empty_store, tmp_path)
    registry, location = MlflowTracking.from_settings(where).registry, StorageLocation.of(where)
    for number in range(4):
        publish(location.tables(), readings().with_columns(pl.col("reading") + number))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Places(location, registry, instance)


def register(places: Places, fingerprint: str, snapshot: Mapping[str, int]) -> None:
    places.registry.register(
        "toy_delay",
        run_id="",
        model_uri="file:///models/toy/delay/ab.skops",
        sha256="ab",
        as_of=dt.date(2013, 3, 1),
        fingerprint=fingerprint,
        snapshot=snapshot,
    )


def maintained(places: Places, *, apply: bool = True) -> MaintenanceReport:
    return maintain(places, STRICT, apply=apply, now=LATER)


def everything(places: Places) -> list[ObjectInfo]:
    tables = places.location.tables()
    return [*ObjectStore(tables.uri, tables.object_options).list(), *places.location.artifacts().list()]


def leftovers(report: MaintenanceReport) -> dict[str, int]:
    return {each.kind: each.objects for each in report.leftovers if each.objects}


@pytest.mark.parametrize("where", KINDS, indirect=True)
def test_versions_that_a_registered_model_was_made_from_stay_and_read_as_before(places: Places) -> None:
    before = places.location.tables().scan(TABLE, version=1).collect()
    register(places, "f1", {TABLE: 1})
    (told,) = maintained(places).tables
    assert (told.pinned_versions, told.dropped_versions, told.superseded_files) == ((1,), (0, 2), 6)
    assert places.location.tables().scan(TABLE, version=1).collect().equals(before)
    with pytest.raises(FileNotFoundError):
        places.location.tables().scan(TABLE, version=2).collect()


@pytest.mark.parametrize("where", KINDS, indirect=True)
def test_a_dry_run_tells_the_same_and_touches_nothing(places: Places) -> None:
    before = everything(places)
    told = maintained(places, apply=False)
    assert everything(places) == before
    done = maintained(places)
    assert done.model_copy(update={"is_applied": False}) == told
    assert done.bytes > 0


def test_a_second_run_finds_nothing_to_do(places: Places) -> None:
    maintained(places)
    (told,) = maintained(places).tables
    assert (told.superseded_files, told.bytes, told.dropped_versions) == (0, 0, ())


def test_a_registry_without_the_models_that_are_there_is_not_believed(places: Places) -> None:
    places.location.artifacts().write("models/toy/delay/ab.skops", b"model")
    before = everything(places)
    with pytest.raises(RetentionRefusedError, match=r"knows no model, yet there are 1 below .*ML_PLATFORM_MLFLOW"):
        maintained(places)
    assert everything(places) == before


def test_a_model_that_does_not_say_what_it_was_made_from_stops_retention(places: Places) -> None:
    register(places, "unknown", {})
    before = everything(places)
    with pytest.raises(RetentionRefusedError, match="Version 1 of model 'toy_delay' does not say"):
        maintained(places)
    assert everything(places) == before


def test_what_the_result_of_a_training_says_counts_where_the_registry_says_nothing(places: Places) -> None:
    tables = places.location.tables()
    for name in ("toy/features", "toy/labels"):
        tables.publish(name, readings(), FIRST_DAYS, key="day")
        tables.publish(name, readings().with_columns(reading=0.0), FIRST_DAYS, key="day")
    result = json.dumps({"inputs": toy_inputs().model_dump(mode="json")})
    places.location.artifacts().write(f"{FINISHED}/result.json", result.encode())
    register(places, "finished", {})
    pinned = {each.table: each.pinned_versions for each in maintained(places).tables}
    assert pinned == {"toy/features": (0,), "toy/labels": (0,), TABLE: ()}


def test_a_registry_that_cannot_be_read_stops_retention(places: Places, tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"no database" * 1000)
    broken = MlflowTracking.from_settings(Settings(home=tmp_path, mlflow_tracking_uri=f"sqlite:///{tmp_path}/broken"))
    before = everything(places)
    with pytest.raises(RetentionRefusedError, match=r"since the registry cannot be read\. Got .*Nothing was deleted"):
        maintain(places._replace(registry=broken.registry), STRICT, apply=True, now=LATER)
    assert everything(places) == before


def test_states_go_where_the_training_has_its_result_and_scores_stay(places: Places) -> None:
    artifacts = places.location.artifacts()
    for training in (FINISHED, UNFINISHED):
        for name in ("trials/0/states/00000003.checkpoint", "checkpoints/00000008.checkpoint", "trials/0/3.json"):
            artifacts.write(f"{training}/{name}", b"x")
    artifacts.write(f"{FINISHED}/result.json", b"{}")
    assert leftovers(maintained(places)) == {"states of finished trainings": 2}
    kept = [info.path.removeprefix(f"{FINISHED}/") for info in artifacts.list(FINISHED)]
    assert kept == ["result.json", "trials/0/3.json"]
    assert len(artifacts.list(UNFINISHED)) == 3


def test_a_run_that_is_not_over_keeps_its_pins_and_what_they_pin(places: Places) -> None:
    run = places.instance.create_run_for_job(
        dg.GraphDefinition(name="slow").to_job(), status=dg.DagsterRunStatus.STARTED
    )
    for run_id, version in ((run.run_id, 0), ("over", 2)):
        Pins(places.location.artifacts(), places.location.tables(), run_id).repin(TABLE, version)
    report = maintained(places)
    assert leftovers(report) == {"pins of runs long over": 1}
    assert (report.tables[0].pinned_versions, report.tables[0].dropped_versions) == ((0,), (1, 2))
    assert [info.path for info in places.location.artifacts().list("pins")] == [f"pins/{run.run_id}/{TABLE}"]


def test_what_steps_handed_on_goes_once_no_run_can_take_it_up(places: Places) -> None:
    job, artifacts = dg.GraphDefinition(name="slow").to_job(), places.location.artifacts()
    first = places.instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE)
    again = places.instance.create_run_for_job(
        job,
        status=dg.DagsterRunStatus.STARTED,
        root_run_id=first.run_id,
        parent_run_id=first.run_id,
        tags={"dagster/root_run_id": first.run_id, "dagster/parent_run_id": first.run_id},
    )
    for run_id in (first.run_id, again.run_id, "over"):
        artifacts.write(f"steps/{run_id}/step/result", b"x")
    assert leftovers(maintain(places, RetentionPolicy(keep_days=30, keep_versions=1), apply=True, now=LATER)) == {}
    assert leftovers(maintained(places)) == {"what steps of runs long over handed on": 1}
    assert {info.path.split("/")[1] for info in artifacts.list("steps")} == {first.run_id, again.run_id}


def test_pins_stay_as_long_as_versions_do(places: Places) -> None:
    Pins(places.location.artifacts(), places.location.tables(), "over").repin(TABLE, 0)
    report = maintain(places, RetentionPolicy(keep_days=30, keep_versions=1), apply=True, now=LATER)
    assert (leftovers(report), report.tables[0].pinned_versions) == ({}, (0,))


def test_what_a_killed_writer_left_unfinished_goes(places: Places) -> None:
    table = store_of(places.location.tables(), TABLE)
    table.write(f"{FIRST_DAYS[0]}/.writing-abc", b"half")
    assert leftovers(maintained(places)) == {"unfinished writes of tables": 1}
    assert table.unfinished() == []


def job_run(places: Places, config: Mapping[str, object]) -> dg.ExecuteInProcessResult:
    settings = places.location.settings
    resources = {**storage_resources(settings), "tracking": MlflowTracking.from_settings(settings)}
    definitions = dg.Definitions.merge(maintenance_definitions(toy_use_case()), dg.Definitions(resources=resources))
    job = definitions.resolve_job_def("maintain_toy_tables")
    return job.execute_in_process(instance=places.instance, run_config={"ops": {"toy_maintenance": {"config": config}}})


def told(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    (output,) = [event for event in result.all_events if event.event_type_value == "STEP_OUTPUT"]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def test_the_job_is_a_dry_run_unless_it_is_told_to_apply(places: Places) -> None:
    before = everything(places)
    assert told(job_run(places, {"keep_versions": 1}))["is_applied"] is False
    assert everything(places) == before
    assert told(job_run(places, {"apply": True}))["is_applied"] is True


def test_the_job_leaves_tables_of_other_use_cases_alone(places: Places) -> None:
    places.location.tables().publish("other/table", readings(), FIRST_DAYS, key="day")
    tables = told(job_run(places, {}))["tables"]
    assert [record.data["table"] for record in tables.records] == [TABLE]  # type: ignore[attr-defined]


def test_the_schedule_applies_weekly_by_the_local_clock_once_it_is_started() -> None:
    (schedule,) = maintenance_definitions(toy_use_case()).schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 4 * * 0", "America/New_York")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
