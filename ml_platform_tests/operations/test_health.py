"""Each state of tables and models, on real tables, a real registry and real runs."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.storage.tags import PARTITION_NAME_TAG
from typer.testing import CliRunner

from ml_platform.cli import app
from ml_platform.errors import NoModelAnswersError, UnknownAssetError
from ml_platform.operations.health import Finding, State, UseCaseHealth
from ml_platform.operations.look import look
from ml_platform.operations.model_health import has_changed, model_health
from ml_platform.operations.table_health import Published, late, missing
from ml_platform.provenance.catalog import Catalog
from ml_platform.serving.decisions import roll_back
from ml_platform.storage.tables import PartitionState
from ml_platform.training.records import TableRead
from ml_platform_tests.serving.conftest import world  # noqa: F401
from ml_platform_tests.serving.scenario import FOLDER, NAME, World, definitions, deployment, flights
from ml_platform_tests.serving.test_decisions import DEPLOYED
from ml_platform_tests.tracking.conftest import empty_store  # noqa: F401

DAYS = ("2013-10-01", "2013-10-02", "2013-10-03")
PREDICTIONS, QUALITY = "flights/delay_predictions", "flights/delay_quality"


@pytest.fixture
def served(world: World) -> World:  # noqa: F811
    """Three days of features and labels with predictions and quality, by the champion of October."""
    world.land(DAYS)
    world.promote("2013-10-01")
    for asset in ("delay_predictions", "delay_quality"):
        world.run(asset, DAYS[0], DAYS[-1])
    return world


def health(world: World) -> UseCaseHealth:  # noqa: F811
    (case,) = look(world.settings, world.instance, catalogs=[Catalog(FOLDER)]).use_cases
    return case


def found(world: World, *states: State) -> list[tuple[str, tuple[str, ...], str]]:  # noqa: F811
    return [(each.asset, each.partitions, each.what) for each in health(world).of(*states)]


def test_a_platform_on_which_nothing_went_wrong_has_an_answerer_and_nothing_but_missing_days(served: World) -> None:
    case = health(served)
    assert {each.state for each in case.findings} == {"missing"}
    assert (case.models[0].champion, case.models[0].as_of, case.models[0].waiting) == (1, dt.date(2013, 10, 1), ())
    published = {table.name: (table.published, table.newest, table.rows) for table in case.tables if table.published}
    assert published[PREDICTIONS] == (3, "2013-10-03", 12)
    (days,) = (each.partitions for each in case.of("missing") if each.asset == PREDICTIONS)
    assert (len(days), days[0], days[-1]) == (89, "2013-10-04", "2013-12-31")


def test_a_run_that_failed_is_told_with_its_error_until_its_partitions_are_made(served: World) -> None:
    artifacts, sound = served.location.artifacts(), {}
    for each in [*artifacts.list("models"), *artifacts.list("training")]:
        sound[each.path] = artifacts.read(each.path)
        artifacts.delete(each.path)
    served.publish("delay_features", flights(DAYS[:1]).with_columns(pl.col("hour") + 1), DAYS[:1])
    with pytest.raises(NoModelAnswersError):
        served.run("delay_predictions", DAYS[0])
    (failed,) = health(served).of("failed")
    assert (failed.asset, failed.partitions) == (PREDICTIONS, DAYS[:1])
    assert (failed.error_class, failed.error) == ("data", "NoModelAnswersError")
    assert "champion 1 is missing from the store" in failed.what
    for path, data in sound.items():
        artifacts.write(path, data)
    served.run("delay_predictions", DAYS[0])
    assert health(served).of("failed") == []


def test_a_run_is_queued_then_at_work_until_it_has_made_its_partition(served: World) -> None:
    whole = definitions(served.settings).resolve_implicit_global_asset_job_def()
    job = whole.get_subset(asset_selection={dg.AssetKey(QUALITY.split("/"))})
    run = served.instance.create_run_for_job(job, tags={PARTITION_NAME_TAG: DAYS[0]})
    assert found(served, "queued") == [(QUALITY, DAYS[:1], "a run is to come")]
    started = DagsterEvent(DagsterEventType.RUN_START.value, job.name)
    served.instance.report_dagster_event(started, run.run_id)
    assert found(served, "running", "queued") == [(QUALITY, DAYS[:1], "__ASSET_JOB is at work")]


def test_days_whose_inputs_changed_are_stale_until_they_are_made_again(served: World) -> None:
    served.publish("delay_features", flights(DAYS[1:2]).with_columns(pl.col("hour") + 1), DAYS[1:2])
    served.publish("delay_labels", flights(DAYS[2:], features=False).with_columns(is_late=True), DAYS[2:])
    told = found(served, "stale")
    assert (PREDICTIONS, DAYS[1:2], "flights/delay_features changed since it was made") in told
    assert (QUALITY, DAYS[2:], "flights/delay_labels changed since it was made") in told
    for asset in ("delay_predictions", "delay_quality"):
        served.run(asset, DAYS[0], DAYS[-1])
    assert found(served, "stale") == []


def test_days_of_a_champion_that_was_rolled_back_are_stale(served: World) -> None:
    served.register("2013-10-01", inverted=True)
    served.run("delay_champion", "2013-10-01")
    served.run("delay_predictions", DAYS[0], DAYS[-1])
    roll_back(served.places, DEPLOYED, NAME, to=None, reason="false alarms", by="ops")
    assert (PREDICTIONS, DAYS, "another champion answers for them now") in found(served, "stale")
    assert health(served).models[0].champion == 1


def test_degraded_days_are_told_with_rung_and_reason_and_need_a_person(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in served.location.artifacts().list("models"):
        served.location.artifacts().delete(each.path)
    served.publish("delay_features", flights(DAYS[:1]).with_columns(pl.col("hour") + 1), DAYS[:1])
    served.run("delay_predictions", DAYS[0])
    (degraded,) = health(served).of("degraded")
    assert (degraded.rung, degraded.partitions) == ("baseline", DAYS[:1])
    monkeypatch.setenv("ML_PLATFORM_HOME", str(served.settings.home))
    result = CliRunner().invoke(app, ["status"])
    assert "degraded  flights/delay_predictions 2013-10-01  baseline, for" in result.stdout
    assert (result.exit_code, "A person is needed: 1 degraded." in result.stdout) == (1, True)


def test_a_version_that_the_gate_approved_waits_where_a_person_has_to_approve_it(world: World) -> None:  # noqa: F811
    world.register("2013-10-01")
    world.register("2013-11-01", "refused")
    catalog = Catalog(FOLDER)
    assert model_health(world.location, catalog, catalog.models[0]).waiting == ()
    catalog.deployment = deployment(requires_approval=True)
    model = model_health(world.location, catalog, catalog.models[0])
    assert (model.waiting, model.champion, model.versions) == ((1,), None, 2)


def test_a_log_that_was_tampered_with_is_told_and_nothing_else_of_the_model(world: World) -> None:  # noqa: F811
    world.register("2013-10-01")
    log, catalog = world.location.artifacts().below("registry"), Catalog(FOLDER)
    entry = log.list()[0].path
    log.write(entry, log.read(entry).replace(b"registered", b"promoted"))
    model = model_health(world.location, catalog, catalog.models[0])
    assert "cannot be trusted" in model.problem
    assert model.champion is None


def test_a_model_is_stale_for_days_before_its_month_alone(world: World) -> None:  # noqa: F811
    world.publish("delay_features", flights(DAYS), DAYS)
    read = TableRead(table="flights/delay_features", version=0, days=1, content_root="")
    assert not has_changed(world.location, read, dt.date(2013, 10, 3))
    world.publish("delay_features", flights(DAYS[1:2]).with_columns(pl.col("hour") + 1), DAYS[1:2])
    assert has_changed(world.location, read, dt.date(2013, 10, 3))
    assert not has_changed(world.location, read, dt.date(2013, 10, 2))


def test_a_new_platform_says_what_to_do_and_needs_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["status", "flights"])
    assert (result.exit_code, "Nothing is published yet. `make demo`" in result.stdout) == (0, True)
    with pytest.raises(UnknownAssetError, match="There is no use case 'fligths'"):
        CliRunner().invoke(app, ["status", "fligths"], catch_exceptions=False)


def open_calendar(days: Sequence[str], now: str) -> tuple[list[Finding], list[Finding]]:
    """What is late and what is missing of a daily table that is due six hours after the day, with those days."""
    catalog = Catalog(FOLDER)
    use_case = catalog.use_case.model_copy(update={"last_day": None})
    table = catalog.tables["flights/clean"]._replace(fresh_within_hours=6)
    published = Published(table, dict.fromkeys(days, PartitionState("", 1)))
    at = dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        return list(late(use_case, published, instance, at)), list(missing(use_case, published, instance, at))


def test_days_after_the_newest_are_late_from_their_deadline_on_and_a_gap_is_missing() -> None:
    days = ("2013-01-01", "2013-01-03")
    before, after = open_calendar(days, "2013-01-05T10:59"), open_calendar(days, "2013-01-06T11:00")
    assert before[0] == []
    assert [(each.partitions, str(each.since)) for each in after[0]] == [
        (("2013-01-04", "2013-01-05"), "2013-01-05 11:00:00+00:00")
    ]
    assert [each.partitions for each in (*before[1], *after[1])] == [("2013-01-02",), ("2013-01-02",)]


def test_receipts_of_what_is_sent_are_told_late_like_any_table() -> None:
    catalog = Catalog(FOLDER)
    sink = {"name": "delay_sent", "path": "delays/{day}.csv", "format": "csv", "fresh_within_hours": 32}
    catalog.deployment = deployment(sinks=[sink])
    use_case, receipts = catalog.use_case.model_copy(update={"last_day": None}), catalog.tables["flights/delay_sent"]
    published = Published(receipts, dict.fromkeys(("2013-10-01",), PartitionState("", 1)))
    at = dt.datetime(2013, 10, 4, 12, tzinfo=dt.UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        (found,) = late(use_case, published, instance, at)
    assert (receipts.made_from, found.asset, found.partitions) == (
        ("flights/delay_predictions",),
        "flights/delay_sent",
        ("2013-10-02",),
    )
