"""What follows from a table that changed, by Dagster's own daemon code on the tables of flights."""

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest
from dagster._daemon import sensor

from ml_platform.execution.restoring import restore_and_report
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform_tests.data.daemon import Daemon, age, build_location, daemon
from ml_platform_tests.data.landing_zone import flight_line, flights_object, land_days
from ml_platform_tests.data.test_pipeline import DAYS, Platform

# the daemon is a process of its own, where what Dagster uses that is deprecated is no error
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
FIRST, SECOND, LAST = (str(day) for day in DAYS)
ALL = f"{FIRST} to {LAST}"


class World(NamedTuple):
    """The three days, published; registers too."""

    daemon: Daemon
    platform: Platform
    home: Path

    def make(self, day: dt.date, *tables: str) -> None:
        """A run of these tables alone, as a person would start it."""
        job = self.platform.definitions.resolve_job_def("build_flights_days")
        keys = [dg.AssetKey(["flights", table]) for table in tables]
        assert job.execute_in_process(
            instance=self.daemon.instance, partition_key=str(day), asset_selection=keys
        ).success
        self.daemon.new_runs()

    def correct(self, day: dt.date, delay: int = 40) -> None:
        """Have a day land again, with one more flight, so late."""
        line = flight_line(day, 999, delay=delay, hour=9)
        self.platform.landing.write(f"flights/flights/{day}.csv", flights_object(day, extra=[line]))
        age(self.home / "landing")

    def followed(self) -> list[tuple[str, str]]:
        """The tables, and their days, of the runs that follow, all of them successful."""
        made = self.daemon.settle()
        assert all(each.is_success for each in made)
        return [("+".join(each.tables), each.days) for each in made]


def opened(home: Path, at_work: Daemon) -> Platform:
    location = StorageLocation.of(Settings(home=home))
    return Platform(at_work.instance, build_location(), location.landing(), location.tables())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the three days, built in one run; no sensor was ever on."""
    home = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML_PLATFORM_HOME", str(home))
        with daemon(home) as at_work:
            platform = opened(home, at_work)
            land_days(platform.landing, DAYS)
            age(home / "landing")
            assert platform.run("refresh_flights_references").success
            assert platform.build(*DAYS).success
    return home


@pytest.fixture(params=["changes"])
def world(
    request: pytest.FixtureRequest, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """That home with the sensors of these kinds on, and evaluated once: nothing follows from what was there."""
    home = tmp_path / "home"
    shutil.copytree(built, home)
    age(home / "landing")
    monkeypatch.setenv("ML_PLATFORM_HOME", str(home))
    monkeypatch.setenv("ML_PLATFORM_SENSORS", request.param)
    monkeypatch.setattr(sensor, "is_under_min_interval", lambda *_: False)
    with daemon(home) as at_work:
        opened_world = World(at_work, opened(home, at_work), home)
        assert opened_world.followed() == []
        yield opened_world


def test_a_corrected_day_flows_to_all_that_is_made_of_it_and_no_further_than_its_content_changed(world: World) -> None:
    world.correct(DAYS[0])
    world.make(DAYS[0], "raw")
    assert world.followed() == [
        ("clean+quarantine", FIRST),
        ("delay_labels", FIRST),
        ("delay_features", ALL),
    ]
    world.make(DAYS[0], "raw", "clean", "quarantine")
    assert world.followed() == []


def test_a_restored_table_flows_and_days_that_it_took_away_hold_up_no_others(world: World) -> None:
    tables, instance = world.platform.tables, world.daemon.instance
    without_last = tables.scan("flights/clean").collect()
    world.correct(DAYS[0])
    world.make(DAYS[0], "raw", "clean", "quarantine")
    world.followed()
    corrected = tables.version("flights/clean") or 0
    restore_and_report(instance, tables, "flights/clean", corrected - 1)
    assert without_last.equals(tables.scan("flights/clean").collect())
    assert world.followed() == [("delay_labels", FIRST), ("delay_features", ALL)]


@pytest.mark.parametrize("world", ["changes,landing"], indirect=True)
def test_with_the_landing_sensor_on_too_everything_is_made_once(world: World) -> None:
    world.correct(DAYS[0])
    made = world.daemon.settle()
    assert [(each.tables, each.days) for each in made] == [((), FIRST), (("delay_features",), f"{SECOND} to {LAST}")]


@pytest.mark.parametrize("world", ["changes,landing"], indirect=True)
def test_a_day_that_fails_is_asked_for_once_by_the_landing_sensor_and_by_nobody_else(world: World) -> None:
    world.correct(DAYS[-1], delay=60 * 24 * 3)  # one of 17 flights is later than is plausible, which is too many
    made = world.daemon.settle()
    assert [(each.tables, each.days, each.is_success) for each in made] == [((), LAST, False)]
