"""The flights data pipeline, run through Dagster on a small landing zone with real Delta tables."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import polars as pl
import pytest
import yaml

from ml_platform.components.use_case import UseCase, load_use_case
from ml_platform.data.component import DataPipeline
from ml_platform.data.pipeline import build_pipeline
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.resources import storage_resources
from ml_platform.storage.restoring import restore
from ml_platform.storage.tables import TableStore
from ml_platform_tests.data.landing_zone import flight_line, flights_object, land_days, weather_object
from ml_platform_tests.execution.instances import platform_instance

DAY = dt.date(2013, 3, 5)
DAYS = [DAY + dt.timedelta(days=i) for i in range(3)]
FLIGHTS = PROJECT_ROOT / "ml_platform" / "use_cases" / "flights"
DAILY = (
    "raw",
    "weather_raw",
    "clean",
    "quarantine",
    "weather_clean",
    "weather_quarantine",
    "delay_labels",
    "delay_features",
)


class Platform(NamedTuple):
    """The data location of one use case on its own storage and instance."""

    instance: dg.DagsterInstance
    definitions: dg.Definitions
    landing: ObjectStore
    tables: TableStore

    def run(self, job: str, days: Sequence[dt.date] = ()) -> dg.ExecuteInProcessResult:
        """One run of a job: over no partition, one, or several in a single run."""
        resolved = self.definitions.resolve_job_def(job)
        ends = {"start": str(days[0]), "end": str(days[-1])} if len(days) > 1 else {}
        return resolved.execute_in_process(
            instance=self.instance,
            partition_key=str(days[0]) if len(days) == 1 else None,
            tags={f"dagster/asset_partition_range_{end}": key for end, key in ends.items()},
            raise_on_error=False,
        )

    def build(self, *days: dt.date) -> dg.ExecuteInProcessResult:
        return self.run("build_flights_days", days)

    def rows(self, table: str, day: dt.date = DAY) -> pl.DataFrame:
        return self.tables.scan(f"flights/{table}", partitions=[str(day)]).collect()

    def hashes(self) -> dict[str, dict[str, str]]:
        return {
            name: {day: s.content_hash for day, s in self.tables.partitions(f"flights/{name}").items()}
            for name in DAILY
        }


def pipeline() -> DataPipeline:
    return DataPipeline.model_validate(yaml.safe_load((FLIGHTS / "data" / "defs.yaml").read_text())["attributes"])


def use_case() -> UseCase:
    """Flights, as if the first of `DAYS` was the first of all: before it there is nothing to look back on."""
    return load_use_case(FLIGHTS).model_copy(update={"first_day": DAY})


@contextmanager
def open_platform(settings: Settings, of: DataPipeline) -> Iterator[Platform]:
    """The data location that `of` declares, with objects for `DAYS` and the registers built."""
    location = StorageLocation.of(settings)
    resources = dg.Definitions(resources=storage_resources(settings), executor=dg.in_process_executor)
    definitions = dg.Definitions.merge(build_pipeline(of, use_case()), resources)
    with platform_instance(settings.home / "dagster") as instance:
        built = Platform(instance, definitions, location.landing(), location.tables())
        land_days(built.landing, DAYS)
        assert built.run("refresh_flights_references").success
        yield built


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with open_platform(Settings(home=tmp_path), pipeline()) as opened:
        yield opened


def error_of(result: dg.ExecuteInProcessResult, step: str) -> str:
    failure = next(event for event in result.all_events if event.is_step_failure and event.step_key == step)
    error = failure.step_failure_data.error
    while error.cause and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    return error.message


def checks(result: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
    return [e for e in result.get_asset_check_evaluations() if e.check_name == "rows_meet_the_contract"]


def test_a_day_flows_from_the_landing_zone_to_features_and_labels(platform: Platform) -> None:
    assert platform.build(DAY).success
    assert [platform.rows(table).height for table in ("raw", "clean", "delay_features", "delay_labels")] == [
        16,
        16,
        16,
        16,
    ]
    assert platform.rows("delay_labels")["is_late"].sum() == 1  # the last of 16 flights is 15 minutes late


def test_days_built_one_by_one_equal_days_built_in_one_run(platform: Platform) -> None:
    assert platform.build(*DAYS).success
    together = platform.hashes()
    for day in DAYS:
        assert platform.build(day).success
    assert platform.hashes() == together


def test_a_run_over_unchanged_objects_computes_and_commits_nothing(platform: Platform) -> None:
    platform.build(*DAYS)
    before = {name: platform.tables.version(f"flights/{name}") for name in DAILY}
    again = platform.build(*DAYS)
    assert {e.metadata["partitions_reused"].value for e in checks(again)} == {len(DAYS)}
    assert {name: platform.tables.version(f"flights/{name}") for name in DAILY} == before


def test_a_row_that_breaks_a_rule_is_quarantined_and_none_is_lost(platform: Platform) -> None:
    too_late = flight_line(DAY, 999, delay=60 * 24 * 3)
    platform.landing.write(
        f"flights/flights/{DAY}.csv", flights_object(DAY, [*(flight_line(DAY, 200 + i) for i in range(10)), too_late])
    )
    assert platform.build(DAY).success
    assert (platform.rows("raw").height, platform.rows("clean").height, platform.rows("quarantine").height) == (
        27,
        26,
        1,
    )
    assert "departure_delay_is_plausible" in platform.rows("quarantine")["broken_rules"].item()


def test_too_many_bad_rows_publish_nothing_but_the_quarantine(platform: Platform) -> None:
    platform.build(DAY)
    bad = [flight_line(DAY, 900 + i, delay=60 * 24 * 3) for i in range(2)]
    platform.landing.write(f"flights/flights/{DAY}.csv", flights_object(DAY, bad))
    result = platform.build(DAY)
    assert not result.success
    assert "refused 2 of 18 rows (11.1 %, limit 5 %)" in error_of(result, "flights__clean")
    assert "version 0 stands" in error_of(result, "flights__clean")
    assert (platform.rows("clean").height, platform.rows("quarantine").height) == (16, 2)


def test_a_refused_table_shows_a_failed_check_and_no_materialization(platform: Platform) -> None:
    platform.landing.write(f"flights/flights/{DAY}.csv", flights_object(DAY, [flight_line(DAY, 100)]))  # a key twice
    result = platform.build(DAY)
    failed = [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]
    assert failed == ["rows_meet_the_contract"]
    assert dg.AssetKey(["flights", "clean"]) not in {e.asset_key for e in result.get_asset_materialization_events()}


def test_the_quarantine_of_a_refused_table_is_observed_and_still_to_be_made(platform: Platform) -> None:
    platform.landing.write(f"flights/flights/{DAY}.csv", flights_object(DAY, [flight_line(DAY, 100)]))
    made = {e.asset_key.path[-1] for e in platform.build(DAY).get_asset_materialization_events()}
    assert not made & {"clean", "quarantine"}
    seen = platform.instance.fetch_observations(dg.AssetKey(["flights", "quarantine"]), limit=10).records
    assert [(each.partition_key, each.asset_observation.metadata["rows_refused"].value) for each in seen] == [
        (str(DAY), platform.rows("quarantine").height)
    ]


def test_a_refused_table_and_its_quarantine_are_both_made_once_the_object_is_corrected(platform: Platform) -> None:
    platform.landing.write(f"flights/flights/{DAY}.csv", flights_object(DAY, [flight_line(DAY, 100)]))
    platform.build(DAY)
    platform.landing.write(f"flights/flights/{DAY}.csv", flights_object(DAY))
    made = {e.asset_key.path[-1] for e in platform.build(DAY).get_asset_materialization_events()}
    assert {"clean", "quarantine"} <= made
    assert (platform.rows("clean").height, platform.rows("quarantine").height) == (16, 0)


def test_a_corrected_object_is_ingested_again_and_changes_what_follows_from_it(platform: Platform) -> None:
    platform.build(*DAYS)
    before = platform.hashes()
    platform.landing.write(f"flights/flights/{DAY}.csv", flights_object(DAY, [flight_line(DAY, 777, delay=30, hour=9)]))
    assert platform.build(*DAYS).success
    changed = {name for name, hashes in platform.hashes().items() if hashes[str(DAY)] != before[name][str(DAY)]}
    assert changed == {"raw", "clean", "delay_labels", "delay_features"}


def test_a_truncated_object_fails_its_run_and_leaves_every_table_as_it_was(platform: Platform) -> None:
    platform.build(DAY)
    before = platform.hashes()
    platform.landing.write(f"flights/flights/{DAY}.csv", flights_object(DAY)[:-40])
    result = platform.build(DAY)
    assert not result.success
    assert f"flights/flights/{DAY}.csv" in error_of(result, "flights__raw")
    assert platform.hashes() == before


def test_a_missing_object_is_named_with_what_to_do(platform: Platform) -> None:
    result = platform.build(DAY + dt.timedelta(days=10))
    assert "is not in the landing zone" in error_of(result, "flights__raw")
    assert "days_without_object" in error_of(result, "flights__raw")


def test_a_day_that_the_upstream_never_delivers_is_published_empty(tmp_path: Path) -> None:
    declared = pipeline()
    weather = declared.landed[1].model_copy(update={"days_without_object": [str(DAY)]})
    landed = [declared.landed[0], weather, *declared.landed[2:]]
    with open_platform(Settings(home=tmp_path), declared.model_copy(update={"landed": landed})) as platform:
        platform.landing.delete(f"flights/weather/{DAY}.csv")
        assert platform.build(DAY).success
        assert (platform.rows("weather_clean").height, platform.rows("delay_features").height) == (0, 16)


def test_features_are_refused_while_a_day_that_they_look_back_on_is_not_published(platform: Platform) -> None:
    result = platform.build(DAYS[2])
    assert not result.success
    told = error_of(result, "flights__delay_features")
    assert "flights/delay_features 2013-03-07 looks back 30 days on flights/clean, of which 2 are not published" in told
    assert "Got nothing for 2013-03-05 to 2013-03-06" in told or "got nothing for 2013-03-05 to 2013-03-06" in told
    assert "last_known_within_days" in told


def test_each_day_of_a_run_over_several_has_its_own_data_version_and_counts(platform: Platform) -> None:
    platform.build(*DAYS)
    events = platform.instance.fetch_materializations(dg.AssetKey(["flights", "clean"]), limit=10).records
    versions = {event.partition_key: event.asset_materialization.tags["dagster/data_version"] for event in events}
    assert versions == platform.hashes()["clean"]
    assert {event.asset_materialization.metadata["rows_in"].value for event in events} == {16}


def test_an_implausible_wind_speed_is_quarantined(platform: Platform) -> None:
    platform.landing.write(f"flights/weather/{DAY}.csv", weather_object(DAY).replace(b",10.5,", b",1048,", 1))
    assert platform.build(DAY).success
    assert platform.rows("weather_quarantine")["broken_rules"].to_list() == ["wind_speed_is_plausible"]


def test_a_correction_is_computed_for_its_day_and_for_the_days_that_look_back_to_it(platform: Platform) -> None:
    platform.build(*DAYS)
    corrected = flights_object(DAYS[1], [flight_line(DAYS[1], 777, delay=30, hour=9)])
    platform.landing.write(f"flights/flights/{DAYS[1]}.csv", corrected)
    counts = {e.asset_key.path[-1]: e.metadata["partitions_computed"].value for e in checks(platform.build(*DAYS))}
    assert counts == {"clean": 1, "weather_clean": 0, "delay_labels": 1, "delay_features": 2}


def test_a_restored_table_is_not_reused_but_made_from_its_inputs_again(platform: Platform) -> None:
    platform.build(*DAYS)
    platform.landing.write(f"flights/flights/{DAYS[1]}.csv", flights_object(DAYS[1], [flight_line(DAYS[1], 777)]))
    platform.build(*DAYS)
    right = platform.hashes()
    for table in ("raw", "clean"):
        assert restore(platform.tables, f"flights/{table}", 0).is_needed
    counts = {e.asset_key.path[-1]: e.metadata["partitions_computed"].value for e in checks(platform.build(*DAYS))}
    assert counts == {"clean": 1, "weather_clean": 0, "delay_labels": 0, "delay_features": 0}
    assert platform.hashes() == right
