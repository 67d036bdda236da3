"""Days of predictions and of quality as Dagster metadata: what a reader of the UI sees of one partition.

Belongs here: numbers as they are shown. Does not: computing them.
"""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from ml_platform.tracking.registry import RegisteredModel


def quality_by_day(quality: pl.DataFrame, day_column: str) -> dict[str, dict[str, Any]]:
    """The row of each day, four digits of a score; a score that is not defined there is left out."""
    return {
        str(row[day_column]): {name: _shown(value) for name, value in row.items() if _is_told(name, value, day_column)}
        for row in quality.iter_rows(named=True)
    }


def champion_by_day(champions: Mapping[dt.date, RegisteredModel]) -> dict[str, dict[str, Any]]:
    """The version that predicted each day, and the hash of all that it follows from."""
    return {
        day.isoformat(): {
            "model_version": champion.version,
            "model_as_of": champion.as_of.isoformat(),
            "model_fingerprint": champion.fingerprint,
        }
        for day, champion in champions.items()
    }


def _is_told(name: str, value: Any, day_column: str) -> bool:
    is_undefined = value is None or (isinstance(value, float) and math.isnan(value))
    return name != day_column and not is_undefined


def _shown(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
