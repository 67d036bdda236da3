"""Homes of the platform that a benchmark works in, and what their tables' logs say."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore

TABLES = (
    *(f"flights/{name}" for name in ("raw", "clean", "quarantine", "weather_raw", "weather_clean")),
    *(f"flights/{name}" for name in ("weather_quarantine", "airports_raw", "airports", "planes_raw", "planes")),
    *(f"flights/{name}" for name in ("airlines_raw", "airlines", "delay_labels", "delay_features")),
    *(f"flights/{name}" for name in ("delay_predictions", "delay_quality")),
)

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@contextmanager
def at_home(home: Path) -> Iterator[None]:
    """Let this process be the platform in `home`."""
    before = dict(os.environ)
    os.environ["ML_PLATFORM_HOME"] = str(home)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def versions(home: Path) -> dict[str, int | None]:
    """The version of each table; None where it was never published."""
    tables = TableStore.from_settings(settings_of(home))
    return {name: tables.version(name) for name in TABLES}


def settings_of(home: Path) -> Settings:
    """The settings of a home, whatever this process's own are."""
    places: dict[str, Any] = {"data_uri": "", "landing_uri": "", "artifact_uri": "", "mlflow_tracking_uri": ""}
    return Settings(home=home, **places)
