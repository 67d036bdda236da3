"""Where predictions are sent: real files and a real database, sent again, killed in the middle, and away."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform.errors import PartitionNotPublishedError
from ml_platform.provenance.trace_downstream import trace_downstream
from ml_platform.provenance.trace_links import AssetLinks
from ml_platform.provenance.trace_steps import Evidence
from ml_platform.serving.sinks_asset import WHAT_WAS_SENT_IS_THERE
from ml_platform_tests.components import ticking
from ml_platform_tests.data.test_pipeline import error_of
from ml_platform_tests.serving.scenario import World, definitions, deployment

DAY, NEXT = "2013-11-01", "2013-11-02"
URL_FROM = "SINK_TEST_DATABASE_URL"
PASSWORD = "hunter2-of-the-warehouse"
SINKS = [
    {"name": "delay_csv", "path": "flights/{day}.csv", "format": "csv"},
    {"name": "delay_parquet", "path": "flights/{day}.parquet"},
    {"name": "delay_warehouse", "table": "delays", "url_from": URL_FROM},
]
KILLED = """
import os, pathlib, sys
import polars as pl, sqlalchemy as sa
from pydantic import SecretStr
from ml_platform.components.databases import Database
from ml_platform.serving.sinks import TableSink

@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def die(connection, cursor, statement, *_):
    if statement.startswith("INSERT"):
        os._exit(9)

sink = TableSink(Database("URL", SecretStr(sys.argv[1])), "delays", "day", ["day"])
sink.send(pl.read_parquet(sys.argv[2]), "2013-11-01")
"""


@pytest.fixture
def predicted(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two predicted days and a database beside them."""
    monkeypatch.setenv(URL_FROM, f"sqlite:///{world.settings.home}/warehouse.db")
    world.land([DAY, NEXT])
    world.promote("2013-10-01")
    world.run("delay_predictions", DAY, NEXT)
    return world


def send(world: World, sink: str, *days: str) -> dg.ExecuteInProcessResult:
    return world.run(sink, *days, sinks=SINKS)


def receipts(world: World, sink: str) -> pl.DataFrame:
    """What the table of a sink says, by day."""
    return world.location.tables().scan(f"flights/{sink}").collect().sort("service_date")


def warehouse(world: World) -> list[tuple[object, ...]]:
    """The rows of the table, in order."""
    with sqlite3.connect(world.settings.home / "warehouse.db") as connection:
        rows = connection.execute("SELECT * FROM delays ORDER BY 1, 2, 3").fetchall()
    connection.close()
    return rows


def test_each_day_becomes_an_object_with_its_predictions(predicted: World) -> None:
    result = send(predicted, "delay_parquet", DAY, NEXT)
    store = predicted.location.exports()
    frames = [pl.read_parquet(store.read(f"flights/{day}.parquet")) for day in (DAY, NEXT)]
    sent = pl.concat(frames).sort("service_date", "flight_number")
    assert sent.equals(predicted.table("delay_predictions").select(sent.columns).sort("service_date", "flight_number"))
    assert receipts(predicted, "delay_parquet")["rows"].to_list() == [4, 4]
    assert {each.check_name for each in result.get_asset_check_evaluations() if each.passed} >= {WHAT_WAS_SENT_IS_THERE}


@pytest.mark.parametrize(("sink", "suffix"), [("delay_csv", "csv"), ("delay_parquet", "parquet")])
def test_what_is_sent_again_has_the_same_bytes_and_what_was_lost_comes_back(
    sink: str, suffix: str, predicted: World
) -> None:
    send(predicted, sink, DAY)
    store, path = predicted.location.exports(), f"flights/{DAY}.{suffix}"
    before = store.read(path)
    store.delete(path)
    send(predicted, sink, DAY)
    assert store.read(path) == before
    assert predicted.location.tables().version(f"flights/{sink}") == 0


def test_rows_of_a_day_are_replaced_and_never_doubled(predicted: World) -> None:
    send(predicted, "delay_warehouse", DAY, NEXT)
    before = warehouse(predicted)
    send(predicted, "delay_warehouse", DAY)
    assert (len(before), warehouse(predicted)) == (8, before)
    predicted.promote("2013-11-01")
    predicted.run("delay_predictions", DAY)
    send(predicted, "delay_warehouse", DAY)
    assert (len(warehouse(predicted)), warehouse(predicted) == before) == (8, False)


def test_a_process_that_is_killed_in_the_middle_leaves_the_rows_that_were_there(tmp_path: Path) -> None:
    url, rows = f"sqlite:///{tmp_path}/warehouse.db", pl.DataFrame({"day": ["2013-11-01"], "value": [2.0]})
    rows.with_columns(pl.col("day").str.to_date()).write_parquet(tmp_path / "rows.parquet")
    with sqlite3.connect(tmp_path / "warehouse.db") as connection:
        connection.execute("CREATE TABLE delays (day DATE PRIMARY KEY, value DOUBLE)")
        connection.execute("INSERT INTO delays VALUES ('2013-11-01', 1.0)")
    killed = subprocess.run([sys.executable, "-c", KILLED, url, tmp_path / "rows.parquet"], check=False)
    assert killed.returncode == 9
    assert connection.execute("SELECT value FROM delays").fetchall() == [(1.0,)]
    connection.close()


def test_a_sink_that_is_away_is_tried_again_and_leaves_predictions_and_receipts_as_they_are(
    predicted: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_STEP_RETRIES", "1")
    monkeypatch.setenv("ML_PLATFORM_RETRY_FIRST_SECONDS", "0")
    send(predicted, "delay_warehouse", DAY)
    monkeypatch.setenv(URL_FROM, f"{os.environ[URL_FROM]}?timeout=0.1")
    with sqlite3.connect(predicted.settings.home / "warehouse.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        job = definitions(predicted.settings, sinks=SINKS).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            asset_selection=[dg.AssetKey(["flights", "delay_warehouse"])],
            partition_key=DAY,
            instance=predicted.instance,
            raise_on_error=False,
        )
        other.rollback()
    other.close()
    assert any(event.is_step_up_for_retry for event in result.all_events)
    told = error_of(result, "flights__delay_warehouse")
    assert f"delays {DAY}: the database of {URL_FROM} does not answer" in told
    assert str(predicted.settings.home / "warehouse.db") not in told
    assert predicted.location.tables().version("flights/delay_warehouse") == 0


def test_a_day_that_was_not_predicted_empties_no_destination(predicted: World) -> None:
    with pytest.raises(PartitionNotPublishedError, match="flights/delay_predictions has no 2013-11-03"):
        send(predicted, "delay_csv", DAY, "2013-11-03")
    assert predicted.location.exports().list() == []


def test_receipts_name_the_destination_without_its_url(predicted: World) -> None:
    send(predicted, "delay_warehouse", DAY)
    assert receipts(predicted, "delay_warehouse")["destination"].to_list() == [f"sql://{URL_FROM}/delays"]
    told = predicted.told("delay_warehouse", DAY).metadata
    assert (told["destination"].value, told["rows"].value, told["rows_there"].value) == (
        f"sql://{URL_FROM}/delays",
        4,
        4,
    )


def test_a_trace_leads_from_predictions_to_where_they_were_sent(predicted: World) -> None:
    send(predicted, "delay_csv", DAY)
    links = AssetLinks([definitions(predicted.settings, sinks=SINKS)])
    evidence = Evidence.of(predicted.settings, predicted.instance, links)
    steps = trace_downstream(evidence, "flights/delay_predictions", [DAY]).steps
    assert {step.name for step in steps} == {"flights/delay_predictions", "flights/delay_csv"}


def test_predicted_days_are_sent_once_until_they_are_predicted_otherwise(predicted: World) -> None:
    sensors = ticking.Sensors(definitions(predicted.settings, sinks=SINKS), predicted.instance)
    ticked = sensors.tick(name := "send_flights_delay_predictions_on_new_predictions")
    assert ticked.ranges == [f"{DAY} to {NEXT}"]
    job = definitions(predicted.settings, sinks=SINKS).resolve_job_def("send_flights_delay_predictions")
    assert job.execute_in_process(instance=predicted.instance, tags=dict(ticked.requests[0].tags)).success
    assert sensors.tick(name).told == "Nothing has changed since the last request."
    predicted.promote("2013-11-01")
    predicted.run("delay_predictions", NEXT)
    assert sensors.tick(name).ranges == [NEXT]


@pytest.mark.parametrize(
    ("sink", "told"),
    [
        ({}, "either a `path`, or a `table` and `url_from`"),
        ({"path": "a/{day}.csv", "table": "t", "url_from": "U"}, "either a `path`, or a `table`"),
        ({"table": "t"}, "either a `path`, or a `table`"),
        ({"path": "a.csv"}, "`path` has `{day}` in it"),
        ({"path": "../{day}.csv"}, "no '..'"),
        ({"table": "a; DROP TABLE b", "url_from": "U"}, "letters, digits and '_'"),
        ({"table": "t", "url_from": f"postgresql://me:{PASSWORD}@host/db"}, "String should match pattern"),
    ],
)
def test_a_sink_that_is_no_place_is_refused(sink: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        deployment(sinks=[{"name": "sent", **sink}])
