"""Column lineage of the flights tables, as the UI reads it from the latest materialization."""

import dagster as dg
import pytest

from ml_platform_tests.data.test_pipeline import DAYS, Platform, platform  # noqa: F401 - a fixture


def latest(platform: Platform, table: str) -> dg.AssetMaterialization:  # noqa: F811 - a fixture
    event = platform.instance.get_latest_materialization_event(dg.AssetKey(["flights", table]))
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization


def above(made: dg.AssetMaterialization, column: str) -> str:
    lineage = made.metadata["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    return " ".join(f"{each.asset_key.path[-1]}.{each.column_name}" for each in lineage.deps_by_column[column])


@pytest.fixture
def built(platform: Platform) -> Platform:  # noqa: F811 - a fixture
    assert platform.build(*DAYS).success
    return platform


def test_every_column_leads_to_the_columns_that_it_is_made_from(built: Platform) -> None:
    assert above(latest(built, "raw"), "dep_delay") == "raw.dep_delay"
    assert above(latest(built, "raw"), "landing_day") == ""
    assert above(latest(built, "clean"), "scheduled_departure_at") == "raw.minute raw.time_hour"
    assert above(latest(built, "delay_labels"), "is_late") == "clean.arrival_delay_minutes"
    assert above(latest(built, "delay_features"), "scheduled_hour") == "clean.scheduled_departure_minute_of_day"


def test_which_rows_there_are_is_told_apart(built: Platform) -> None:
    assert latest(built, "delay_labels").metadata["rows_follow_from"].value == {
        "flights/clean": ["arrival_delay_minutes"]
    }
    assert "rows_follow_from" not in latest(built, "weather_clean").metadata


def test_a_run_that_has_nothing_to_compute_tells_what_is_known(built: Platform) -> None:
    before = {table: latest(built, table) for table in ("clean", "delay_features")}
    assert built.build(DAYS[0]).success
    for table, made in before.items():
        again = latest(built, table)
        assert again.metadata["reused"].value is True
        assert again.metadata["dagster/column_lineage"] == made.metadata["dagster/column_lineage"]
