"""The landing sensors on a small landing zone, their requests executed as the daemon would."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.data.pipeline import build_pipeline
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.components import ticking
from ml_platform_tests.components.ticking import Ticked
from ml_platform_tests.data.landing_zone import flights_object, weather_object
from ml_platform_tests.data.test_pipeline import DAY, DAYS, Platform, open_platform, pipeline, use_case

DAYS_SENSOR, REGISTERS_SENSOR = "build_flights_days_on_landing", "refresh_flights_references_on_landing"
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC).timestamp()


class Sensors(ticking.Sensors):
    """The sensors of a platform, whose requests are executed."""

    def __init__(self, platform: Platform, root: Path) -> None:
        """Nothing was evaluated yet."""
        super().__init__(platform.definitions, platform.instance)
        self.platform, self.root = platform, root

    def run(self, name: str = DAYS_SENSOR) -> Ticked:
        """One evaluation, and the runs that it asks for."""
        ticked = self.tick(name)
        job = self.platform.definitions.resolve_job_def(name.rpartition("_on_")[0])
        for request in ticked.requests:
            job.execute_in_process(
                instance=self.platform.instance,
                partition_key=request.partition_key,
                tags=dict(request.tags),
                asset_selection=request.asset_selection,
                raise_on_error=False,
            )
        return ticked

    def land(self, path: str, data: bytes) -> None:
        """Have an object land, some time ago."""
        self.platform.landing.write(path, data)
        self.age()

    def age(self) -> None:
        """Let the landing objects have been written long ago."""
        for path in (self.root / "landing").rglob("*.csv"):
            if path.stat().st_mtime > LONG_AGO + 1e6:
                os.utime(path, (LONG_AGO, LONG_AGO))


def platform_on(settings: Settings, instance: dg.DagsterInstance) -> Platform:
    """The data location with nothing landed."""
    location = StorageLocation.of(settings)
    resources = dg.Definitions(resources=storage_resources(settings), executor=dg.in_process_executor)
    definitions = dg.Definitions.merge(build_pipeline(pipeline(), use_case()), resources)
    return Platform(instance, definitions, location.landing(), location.tables())


@pytest.fixture
def sensors(tmp_path: Path) -> Iterator[Sensors]:
    with open_platform(Settings(home=tmp_path), pipeline()) as platform:
        opened = Sensors(platform, tmp_path)
        opened.age()
        yield opened


def test_what_landed_is_ingested_once_and_what_changed_again_with_what_looks_back_on_it(sensors: Sensors) -> None:
    assert sensors.run().ranges == [f"{DAYS[0]} to {DAYS[-1]}"]
    assert sensors.run().told == "Nothing has changed since the last request."
    sensors.cursors.clear()
    assert sensors.run().told == "Nothing has changed since the last request."
    sensors.land(f"flights/weather/{DAY}.csv", weather_object(DAY, wind_speed_mph=20.5))
    assert sensors.run().ranges == [str(DAY)]
    followed = sensors.run()
    assert followed.ranges == [f"{DAYS[1]} to {DAYS[2]}"]
    assert followed.assets == ["delay_features"]
    assert sensors.run().told == "Nothing has changed since the last request."


def test_a_bad_object_holds_up_no_other_and_what_it_held_up_is_made_good_when_it_lands_again(sensors: Sensors) -> None:
    for kind in ("flights", "weather"):
        sensors.platform.landing.delete(f"flights/{kind}/{DAYS[2]}.csv")
    sensors.land(f"flights/flights/{DAY}.csv", b"")
    ticks = [sensors.run() for _ in range(4)]
    assert f"2 failed and are not asked for again before they change: {DAY}, {DAYS[1]}" in ticks[-1].told
    assert set(sensors.platform.tables.partitions("flights/clean")) == {str(DAYS[1])}
    sensors.land(f"flights/flights/{DAY}.csv", flights_object(DAY))
    assert [sensors.run().ranges, sensors.run().ranges] == [[str(DAY)], [str(DAYS[1])]]
    assert set(sensors.platform.tables.partitions("flights/delay_features")) == {str(day) for day in DAYS[:2]}


def test_a_changed_register_has_its_own_tables_read_again(sensors: Sensors) -> None:
    assert sensors.run(REGISTERS_SENSOR).requests == []
    sensors.land("flights/airlines.csv", b"carrier,name\nAA,American\n")
    assert sensors.run(REGISTERS_SENSOR).assets == ["airlines_raw", "airlines", "airlines_quarantine"]
    assert sensors.platform.tables.scan("flights/airlines").collect()["name"].to_list() == ["American"]


def test_days_wait_for_the_registers_that_they_are_made_with(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        emptied = Sensors(platform_on(Settings(home=tmp_path), instance), tmp_path)
        assert emptied.tick(DAYS_SENSOR).told == "Days wait until these are published: airports."
