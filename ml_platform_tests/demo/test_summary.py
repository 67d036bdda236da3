"""What the summary says, and that it says nothing of what is not there."""

import datetime as dt
import io
import json
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from ml_platform.demo.rows import AuditedRows
from ml_platform.demo.summary import Summary, collect
from ml_platform.demo.tables import show
from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore
from ml_platform_tests.demo.records import evaluation, promotion, version


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def publish(settings: Settings, **rows_of: int) -> None:
    """Publish each `flights/<name>` with that many rows, spread over two days."""
    for name, rows in rows_of.items():
        frame = pl.DataFrame({"day": [f"2013-01-0{1 + row % 2}" for row in range(rows)]}, schema={"day": pl.String})
        days = ["2013-01-01", "2013-01-02"]
        TableStore.from_settings(settings).publish(f"flights/{name}", frame, days, key="day")


def record(settings: Settings, asset: str, document: str) -> None:
    """Leave a record of the as-of month October."""
    ObjectStore(settings.artifact_uri).write(f"records/flights/{asset}/2013-10-01.json", document.encode())


def shown(summary: Summary) -> str:
    file = io.StringIO()
    show(summary, Console(file=file, width=200))
    return file.getvalue()


def flights(summary: Summary) -> AuditedRows:
    return next(each for each in summary.audited if each.table == "flights/clean")


def test_nothing_is_said_to_be_there_before_anything_was_materialized(settings: Settings) -> None:
    summary = collect(settings)
    assert flights(summary).published is None
    assert summary.models == ()
    assert "not materialized yet" in shown(summary)
    assert not settings.home.exists()


def test_rows_are_counted_from_the_tables(settings: Settings) -> None:
    publish(settings, raw=10, clean=7, quarantine=3)
    found = flights(collect(settings))
    assert (found.rows_in, found.published, found.quarantined, found.partitions) == (10, 7, 3, 2)
    assert found.is_conserved


def test_a_row_that_is_nowhere_is_told(settings: Settings) -> None:
    publish(settings, raw=10, clean=7, quarantine=2)
    summary = collect(settings)
    assert not flights(summary).is_conserved
    assert "NO" in shown(summary)


def test_a_model_is_shown_with_its_scores_beside_the_baselines(settings: Settings) -> None:
    record(settings, "delay_evaluation", evaluation().model_dump_json())
    record(settings, "delay_model_version", version().model_dump_json())
    record(settings, "delay_champion", promotion().model_dump_json())
    text = shown(collect(settings))
    assert "0.734 [0.710, 0.751]" in text
    assert "carrier_hour_rate" in text
    assert "flight_delay 3" in text
    assert "approved (1 of 1 checks)" in text
    assert "version 3" in text


def test_a_refused_model_is_shown_with_the_reason(settings: Settings) -> None:
    record(settings, "delay_model_version", version(approved=False).model_dump_json())
    assert "refused: model_beats_baselines: log_loss better by 0.040" in shown(collect(settings))


def test_a_model_that_is_not_registered_says_so(settings: Settings) -> None:
    record(settings, "delay_evaluation", evaluation().model_dump_json())
    (model,) = collect(settings).models
    assert (model.as_of, model.version, model.search) == ("2013-10-01", None, None)
    assert "not materialized yet" in shown(collect(settings))


def test_the_same_is_there_as_data(settings: Settings) -> None:
    publish(settings, raw=10, clean=7, quarantine=3)
    record(settings, "delay_evaluation", evaluation().model_dump_json())
    data = json.loads(collect(settings).model_dump_json())
    assert data["audited"][0] == {
        "table": "flights/clean",
        "partitions": 2,
        "rows_in": 10,
        "published": 7,
        "quarantined": 3,
        "is_conserved": True,
    }
    assert data["models"][0]["test"]["metrics"]["roc_auc_score"]["low"] == 0.71


def test_predictions_are_scored_over_all_days_against_the_labels_that_came(settings: Settings) -> None:
    keys = {"carrier": "UA", "origin": "EWR", "scheduled_departure_at": dt.datetime(2013, 10, 1, 12, tzinfo=dt.UTC)}
    days = [dt.date(2013, 10, 1 + number // 4) for number in range(8)]
    frame = pl.DataFrame({"service_date": days, "flight_number": range(8)}).with_columns(
        *(pl.lit(value).alias(name) for name, value in keys.items()),
        is_late=pl.col("flight_number") % 2 == 0,
        probability=pl.when(pl.col("flight_number") % 2 == 0).then(0.9).otherwise(0.2),
        model_version=1 + pl.col("flight_number") // 4,
    )
    store, partitions = TableStore.from_settings(settings), ["2013-10-01", "2013-10-02"]
    store.publish("flights/delay_predictions", frame.drop("is_late"), partitions, key="service_date")
    arrived = frame.drop("probability", "model_version").filter(pl.col("flight_number") > 0)
    store.publish("flights/delay_labels", arrived, partitions, key="service_date")
    found = collect(settings).walk_forward
    assert found is not None
    assert (found.predictions, found.labelled, found.versions) == (8, 7, (1, 2))
    assert found.metrics["roc_auc_score"].value == 1.0
    assert str(found.first_day) == "2013-10-01"
