"""A toy world of training: a few hundred departures whose lateness follows from two columns."""

import datetime as dt

import numpy as np
import polars as pl

from ml_platform.components.use_case import UseCase
from ml_platform.storage.tables import TableStore
from ml_platform.training.config import ModelConfig
from ml_platform.training.records import Inputs, TableRead
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


def publish(tables: TableStore, frame: pl.DataFrame) -> None:
    """Features and labels of the departures as two tables, a partition for each day."""
    rows = frame.with_columns(flight=pl.int_range(pl.len()).over("service_date"))
    days = [str(day) for day in rows["service_date"].unique().sort()]
    key = ["service_date", "flight"]
    tables.publish("toy/features", rows.select(*key, *FEATURES), days, key="service_date", sort_by=key)
    tables.publish("toy/labels", rows.select(*key, "is_late", "known_at"), days, key="service_date", sort_by=key)


def toy_use_case() -> UseCase:
    """A use case whose first model is as of March 2013."""
    return UseCase(
        name="toy",
        description="Will a departure be late?",
        owners=["team:toys"],
        timezone="America/New_York",
        first_day=dt.date(2013, 1, 1),
        first_as_of_month=MARCH,
    )


def toy_model(**changes: object) -> ModelConfig:
    """A model that is searched and fitted in a second."""
    values: dict[str, object] = {
        "name": "delay",
        "description": "The probability of a late departure.",
        "registered_as": "toy_delay",
        "features_table": "features",
        "labels_table": "labels",
        "join_on": ["service_date", "flight"],
        "labels": COLUMNS,
        "not_features": ["service_date", "flight"],
        "parameters": {"max_leaf_nodes": 4},
        "search": {
            "trials": 3,
            "rungs": [{"iterations": 3, "keep": 2}, {"iterations": 6, "keep": 1}],
            "parameters": {"learning_rate": {"kind": "float", "low": 0.05, "high": 0.3}},
        },
        "iterations": 20,
        "checkpoint_every": 8,
        "windows": {"validation_days": 7, "holdout_days": 14, "minimum_rows": 50},
        "baselines": [{"name": "constant_rate"}, {"name": "carrier_rate", "by": ["carrier"]}],
        "report": {"resamples": 200, "slices": {"by": ["carrier"], "minimum_rows": 50}},
        "gate": {"tolerance": 0.05},
    }
    return ModelConfig.model_validate({**values, **changes})


def toy_inputs() -> Inputs:
    """The toy tables, as if they had been read."""
    features, labels = (
        TableRead(table=f"toy/{name}", version=0, days=59, content_root=name) for name in ("features", "labels")
    )
    return Inputs(features=features, labels=labels)
