"""A toy world of training: a few hundred departures whose lateness follows from two columns."""

import datetime as dt

import numpy as np
import polars as pl

from ml_platform.training.splits import LabelColumns
from ml_platform.training.trainers import TrainingData, training_data

COLUMNS = LabelColumns(label="is_late", day="service_date", known_at="known_at")
FEATURES = ("hour", "wind", "carrier", "is_weekend")
MARCH = dt.date(2013, 3, 1)


def departures(days: int = 90, each_day: int = 20, seed: int = 0) -> pl.DataFrame:
    """Departures from 1 January 2013, often late at late hours and with wind; known at 12:00 UTC of the next day."""
    random = np.random.default_rng(seed)
    rows = days * each_day
    hour, wind = random.integers(6, 23, rows), random.gamma(2.0, 5.0, rows)
    chance = 1 / (1 + np.exp(-(0.25 * (hour - 17) + 0.15 * (wind - 10))))
    day = np.datetime64("2013-01-01") + np.repeat(np.arange(days), each_day)
    frame = pl.DataFrame(
        {
            "service_date": day,
            "hour": hour,
            "wind": np.where(random.random(rows) < 0.05, np.nan, wind),
            "carrier": random.choice(["AA", "B6", "UA"], rows),
            "is_late": random.random(rows) < chance,
        }
    )
    known_at = pl.col("service_date").cast(pl.Datetime("us", "UTC")) + pl.duration(hours=36)
    return frame.with_columns(known_at=known_at, is_weekend=pl.col("service_date").dt.weekday() > 5)


def departures_to_learn(rows: int = 400) -> TrainingData:
    """The first departures, as an estimator reads them."""
    return training_data(departures().head(rows), FEATURES, "is_late")
