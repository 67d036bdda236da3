"""What somebody sees who opens the UI, clicks, and looks again."""

import re

from playwright.sync_api import expect

from ml_platform_tests.ui.pages import DagsterUi, Edge

GREEN, RED = re.compile("accent-green"), re.compile("accent-red")
ACROSS_LOCATIONS = {
    Edge("flights_features", "flights_training"),
    Edge("flights_features", "flights_serving"),
    Edge("flights_training", "flights_serving"),
    Edge("flights_serving", "flights_provenance"),
}
ON = ("build_flights_days_on_sound_causes", "alert_on_ended_runs", "deliver_alerts", "tell_mlflow_what_waited")
OFF = (
    "build_flights_days_on_landing",
    "train_flights_delay_on_new_content",
    "promote_flights_delay_champion_on_new_version",
    "predict_flights_delay_predictions_daily",
    "train_flights_delay_monthly",
    "maintain_flights_tables_weekly",
)


def test_the_lineage_leads_from_the_landing_zone_across_all_locations(ui: DagsterUi) -> None:
    ui.open("/")
    ui.go_to("Lineage")
    expect(ui.page.locator("path[marker-end]")).not_to_have_count(0)
    ui.shoot("lineage")
    assert ui.edges() >= {Edge("flights_landing", "flights_ingestion"), *ACROSS_LOCATIONS}


def test_a_partition_materialized_by_clicking_becomes_green(ui: DagsterUi) -> None:
    ui.materialize("flights/raw", "2013-01-02")
    expect(ui.page.get_by_text("Success", exact=True)).to_be_visible()
    ui.open_partitions("flights/raw")
    ui.choose_partition("2013-01-02")
    expect(ui.dot("2013-01-02")).to_have_attribute("style", GREEN)
    expect(ui.page.get_by_role("row", name="landing_object flights/flights/2013-01-02.csv")).to_be_visible()
    ui.shoot("partition")


def test_a_day_that_did_not_land_is_red_and_its_run_says_what_is_missing(ui: DagsterUi) -> None:
    ui.materialize("flights/raw", "2013-01-09")
    expect(ui.page.get_by_text("Failure", exact=True)).to_be_visible()
    expect(ui.page.get_by_text("flights/2013-01-09.csv is not in the landing zone").first).to_be_visible()
    ui.shoot("failed_run")
    ui.open_partitions("flights/raw")
    ui.choose_partition("2013-01-09")
    expect(ui.dot("2013-01-09")).to_have_attribute("style", RED)
    expect(ui.page.get_by_text("failed, and did not materialize this asset")).to_be_visible()


def test_the_catalog_has_every_location_and_leads_to_an_asset(ui: DagsterUi) -> None:
    ui.see_whole_lists()
    ui.open("/")
    ui.go_to("Catalog")
    for location in ("data", "training", "serving", "operations"):
        expect(ui.page.get_by_title(location, exact=True).first).to_be_visible()
    ui.page.get_by_title("flights / raw", exact=True).click()
    expect(ui.page.get_by_text("as the airline reported it; one object a local service day")).to_be_visible()
    ui.shoot("asset")


def test_what_would_start_runs_by_itself_is_off_until_somebody_switches_it_on(ui: DagsterUi) -> None:
    ui.see_whole_lists()
    ui.open("/")
    ui.go_to("Automation")
    for name, is_on in [*((name, True) for name in ON), *((name, False) for name in OFF)]:
        expect(ui.switch(name)).to_be_checked(checked=is_on)
    ui.shoot("automation")


def test_a_backfill_launched_by_clicking_ends_with_every_day_made(ui: DagsterUi, backfill: str) -> None:
    ui.open(backfill)
    expect(ui.page.get_by_text("Succeeded", exact=True).first).to_be_visible()
    expect(ui.page.get_by_text("100% completed")).to_be_visible()
    ui.shoot("backfill")
