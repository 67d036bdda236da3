"""What the summary says, and that it says nothing of what is not there."""

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
from ml_platform_tests.demo.records import evaluation, version


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
    text = shown(collect(settings))
    assert "0.734 [0.710, 0.751]" in text
    assert "carrier_hour_rate" in text
    assert "flight_delay 3" in text


def test_a_model_that_is_not_registered_says_so(settings: Settings) -> None:
    record(settings, "delay_evaluation", evaluation().model_dump_json())
    (model,) = collect(settings).models
    assert (model.as_of, model.version, model.trials) == ("2013-10-01", None, None)
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
