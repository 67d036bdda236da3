"""Nothing is landed where nothing would be made of it."""

import importlib
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.commands.replay import FOLDER
from ml_platform.errors import ReplayError
from ml_platform.execution.instance import open_instance
from ml_platform.replay.driven import SENSORS, require_driven
from ml_platform.settings import Settings

pytestmark = pytest.mark.filterwarnings(  # Dagster's own way of reading a defs.yaml
    "ignore:`parse_obj_as` is deprecated"
)


def test_without_a_daemon_it_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_HOME", str(tmp_path / FOLDER))
    with open_instance() as instance, pytest.raises(ReplayError, match="no daemon runs") as told:
        require_driven(Settings(), instance, within_seconds=0)
    assert "ML_PLATFORM_SENSORS=all make dev" in told.value.remedy


def test_the_sensors_that_a_replay_needs_are_those_of_the_locations() -> None:
    locations = ("data", "training", "serving")
    found: list[dg.Definitions] = [
        importlib.import_module(f"ml_platform.{each}.definitions").defs for each in locations
    ]
    known = {sensor.name for definitions in found for sensor in definitions.sensors or ()}
    assert set(SENSORS) <= known
