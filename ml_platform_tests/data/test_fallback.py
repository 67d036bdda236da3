"""What is published where the landing zone has no sound object: the flights pipeline, with its declared rungs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from ml_platform.components.degrading import IS_NOT_DEGRADED
from ml_platform.data.component import DataPipeline, SourceFallback
from ml_platform.data.pipeline import build_pipeline
from ml_platform.recovery.degradation import Degradation, Degradations
from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.data.landing_zone import weather_object
from ml_platform_tests.data.test_landing_sensors import Sensors
from ml_platform_tests.data.test_pipeline import DAYS, Platform, error_of, open_platform, pipeline, use_case

FIRST, SECOND, THIRD = (str(day) for day in DAYS)
ON_SOUND_CAUSES = "build_flights_days_on_sound_causes"
WEATHER = {day: f"flights/weather/{day}.csv" for day in (FIRST, SECOND, THIRD)}


class World:
    """A platform and its ledger."""

    def __init__(self, platform: Platform, home: Path) -> None:
        self.platform, self.landing, self.settings = platform, platform.landing, Settings(home=home)
        self.ledger = Degradations(ObjectStore(f"file://{home}/artifacts"))
        self.sensors = Sensors(platform, home)

    def build(self) -> dg.ExecuteInProcessResult:
        """All days in one run."""
        return self.platform.build(*DAYS)

    def marks(self) -> dict[str, str]:
        """The rung of each degraded partition, by "<table> <partition>"."""
        return {mark.name.removeprefix("flights/"): mark.rung for mark in self.ledger.all()}

    def mark(self, table: str, partition: str) -> Degradation:
        return self.ledger.of(f"flights/{table}")[partition]

    def recompute(self) -> list[str]:
        """The days that the sensor asks for and has made again."""
        return self.sensors.run(ON_SOUND_CAUSES).ranges


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_platform(Settings(home=tmp_path), pipeline()) as platform:
        yield World(platform, tmp_path)


def declared(**fallback: object) -> DataPipeline:
    """The flights pipeline with another fallback for its weather; none without arguments."""
    flights = pipeline()
    ladder = SourceFallback.model_validate(fallback) if fallback else None
    weather = flights.landed[1].model_copy(update={"fallback": ladder})
    return flights.model_copy(update={"landed": [flights.landed[0], weather, *flights.landed[2:]]})


@contextmanager
def open_again(world: World, of: DataPipeline, settings: Settings | None = None) -> Iterator[Platform]:
    """The same tables and history under another pipeline or other settings."""
    settings = settings or world.settings
    resources = dg.Definitions(resources=storage_resources(settings), executor=dg.in_process_executor)
    definitions = dg.Definitions.merge(build_pipeline(of, use_case()), resources)
    yield world.platform._replace(definitions=definitions)


def events(platform: Platform, table: str) -> dict[str | None, dg.AssetMaterialization]:
    """The latest materialization of each partition."""
    found = platform.instance.fetch_materializations(dg.AssetKey(["flights", table]), limit=100).records
    return {each.partition_key: each.asset_materialization for each in reversed(found) if each.asset_materialization}


def degradation_checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    found = [each for each in result.get_asset_check_evaluations() if each.check_name == IS_NOT_DEGRADED]
    return {each.asset_key.path[-1]: each.passed for each in found}


def test_a_missing_object_degrades_its_day_and_what_is_made_from_it_and_nothing_else(world: World) -> None:
    world.landing.delete(WEATHER[SECOND])
    result = world.build()
    assert result.success
    assert world.marks() == {
        f"weather_raw {SECOND}": "empty",
        f"weather_clean {SECOND}": "inherited",
        f"delay_features {SECOND}": "inherited",
        f"delay_features {THIRD}": "inherited",
    }
    sound = {"clean", "delay_labels"}
    assert degradation_checks(result) == {
        table: table in sound for table in (*sound, "weather_raw", "weather_clean", "delay_features")
    }


def test_the_events_of_just_the_degraded_days_say_so_and_why(world: World) -> None:
    world.landing.delete(WEATHER[SECOND])
    world.build()
    tags = {
        day: (event.tags or {}).get("ml_platform/degraded")
        for day, event in events(world.platform, "weather_raw").items()
    }
    assert tags == {FIRST: None, SECOND: "empty", THIRD: None}
    told = str(events(world.platform, "delay_features")[THIRD].metadata["ml_platform/degraded"].value)
    assert told.startswith(f"flights/weather_raw {SECOND} is published without a row: ")
    assert told.endswith(f"landing/{WEATHER[SECOND]} is not in the landing zone")


def test_when_the_object_lands_the_sensor_has_it_made_again_and_it_is_as_if_it_had_been_there(world: World) -> None:
    world.build()
    undisturbed = world.platform.hashes()
    world.landing.delete(WEATHER[SECOND])
    with_fallback_spent(world)
    assert world.recompute() == []
    world.landing.write(WEATHER[SECOND], weather_object(DAYS[1]))
    assert world.recompute() == [SECOND]
    assert world.recompute() == [THIRD]  # it inherits from the day before, and follows once that is sound
    assert (world.recompute(), world.marks()) == ([], {})
    assert world.platform.hashes() == undisturbed


def with_fallback_spent(world: World) -> None:
    """The second day published empty, over what was published before."""
    with open_again(world, declared(otherwise="empty")) as platform:
        assert platform.build(*DAYS).success
    assert world.platform.rows("weather_clean", DAYS[1]).is_empty()


def test_a_truncated_object_leaves_what_stands_if_that_is_young_enough(world: World) -> None:
    world.build()
    before = world.platform.hashes()
    world.landing.write(WEATHER[FIRST], weather_object(DAYS[0])[:-30])
    assert world.build().success
    assert world.platform.hashes() == before
    assert world.mark("weather_raw", FIRST).rung == "cached"
    assert world.mark("delay_features", THIRD).reason.startswith(f"flights/weather_raw {FIRST} is as ingested on ")
    assert events(world.platform, "weather_raw")[FIRST].metadata["landing_object"].value == WEATHER[FIRST]


def test_marks_go_with_their_cause_although_nothing_has_to_be_computed(world: World) -> None:
    world.build()
    world.landing.delete(WEATHER[FIRST])
    since = [mark.since for _ in range(2) if world.build() for mark in [world.mark("delay_features", FIRST)]]
    assert since[0] == since[1]  # degraded without a break
    world.landing.write(WEATHER[FIRST], weather_object(DAYS[0]))
    result = world.build()
    assert world.marks() == {}
    assert all(degradation_checks(result).values())
    assert {
        event.tags and event.tags.get("ml_platform/degraded")
        for event in events(world.platform, "delay_features").values()
    } == {None}


def test_an_object_that_is_as_wrong_as_before_is_not_asked_for_again(world: World) -> None:
    world.build()
    world.landing.write(WEATHER[FIRST], b"wrong")
    world.build()
    assert world.recompute() == []
    world.landing.write(WEATHER[FIRST], b"wrong again")
    assert world.recompute() == [FIRST]
    assert world.recompute() == []
    assert world.mark("weather_raw", FIRST).rung == "cached"


def test_a_register_that_is_gone_is_bridged_and_degrades_the_days_that_are_made_with_it(world: World) -> None:
    world.landing.delete("flights/airports.csv")
    assert world.platform.run("refresh_flights_references").success
    assert world.marks() == {"airports_raw all": "cached", "airports all": "inherited"}
    world.platform.build(DAYS[0])
    assert world.mark("delay_labels", FIRST).causes == (f"flights/clean {FIRST}",)
    assert world.mark("delay_labels", FIRST).reason == world.mark("airports_raw", "all").reason


def test_without_a_rung_in_reach_the_run_fails_and_tells_what_was_tried(tmp_path: Path) -> None:
    with open_platform(Settings(home=tmp_path), declared(cached_within_days=1e-9)) as platform:
        platform.build(*DAYS)
        before = platform.hashes()
        platform.landing.delete(WEATHER[FIRST])
        told = error_of(platform.build(*DAYS), "flights__weather_raw")
        assert platform.hashes() == before
    assert "is not in the landing zone" in told
    assert "(cached within 1e-09 days: what stands was ingested 0 minutes ago; no other rung is declared)" in told


def test_a_table_without_a_fallback_is_never_degraded(tmp_path: Path) -> None:
    with open_platform(Settings(home=tmp_path), declared()) as platform:
        platform.landing.delete(WEATHER[FIRST])
        result = platform.build(*DAYS)
        told = error_of(result, "flights__weather_raw")
    assert not result.success
    assert "rung" not in told
    assert "weather_raw" not in degradation_checks(result)
    assert Degradations(ObjectStore(f"file://{tmp_path}/artifacts")).all() == []


def test_a_landing_zone_that_does_not_answer_is_bridged_once_the_retries_are_spent(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.build()
    monkeypatch.setenv("ML_PLATFORM_STEP_RETRIES", "1")
    monkeypatch.setenv("ML_PLATFORM_RETRY_FIRST_SECONDS", "0")
    nobody = Settings(
        home=tmp_path,
        landing_uri="s3://landing",
        s3_endpoint_url="http://127.0.0.1:9",
        s3_access_key_id=SecretStr("key"),
        s3_secret_access_key=SecretStr("secret"),
        s3_retry_seconds=0.0,
    )
    with open_again(world, pipeline(), nobody) as platform:
        result = platform.run("refresh_flights_references")
    assert result.success
    assert len([event for event in result.all_events if event.is_step_up_for_retry]) == 3
    assert world.mark("planes_raw", "all").seen == "unreachable"
