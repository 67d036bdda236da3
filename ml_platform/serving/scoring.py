"""Scoring: features of many days, each with the champion of its day.

Belongs here: frames and models to predictions. Does not: where features and model bytes come from, or who answers when
a champion cannot (`ladder`).
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.evaluation.task import BINARY, Task
from ml_platform.serving.answers import columns_of
from ml_platform.tracking.models import TabularModel, predict
from ml_platform.tracking.registry import RegisteredModel

ModelRung = Literal["champion", "last_known_good", "baseline"]
Load = Callable[[RegisteredModel], TabularModel]


class DaysOfVersion(NamedTuple):
    """A version, and the days of which it is champion."""

    champion: RegisteredModel
    days: list[dt.date]


def days_by_version(champions: Mapping[dt.date, RegisteredModel]) -> list[DaysOfVersion]:
    """Each champion once, however many days it answers for."""
    found: dict[str, DaysOfVersion] = {}
    for day, champion in champions.items():
        found.setdefault(champion.fingerprint, DaysOfVersion(champion, [])).days.append(day)
    return list(found.values())


def score_by_day(
    features: pl.DataFrame,
    champions: Mapping[dt.date, RegisteredModel],
    load: Load,
    *,
    day_column: str,
    keys: Sequence[str],
) -> pl.DataFrame:
    """One row for each row of `features`: its keys, the prediction and the version that gave it.

    A day gives the same rows alone as among others.

    Raises:
        ObjectCorruptError: the bytes of a model are not the recorded ones.
        DefinitionError: a feature of a model is missing.
    """
    parts = []
    for champion, days in days_by_version(champions):
        rows = features.filter(pl.col(day_column).is_in(days))
        model = load(champion)
        parts.append(predictions_of(rows.select(keys), predict(model, rows), champion, task=model.task))
    return pl.concat(parts)


def predictions_of(
    keys: pl.DataFrame,
    predicted: NDArray[np.float64],
    version: RegisteredModel,
    rung: ModelRung = "champion",
    task: Task = BINARY,
) -> pl.DataFrame:
    """The rows of `keys` with their prediction and who gave it; a baseline is no version, and came with one."""
    return keys.with_columns(
        *columns_of(predicted, task),
        pl.lit(None if rung == "baseline" else version.version, dtype=pl.Int64).alias("model_version"),
        pl.lit(version.as_of, dtype=pl.Date).alias("model_as_of"),
        pl.lit(version.fingerprint, dtype=pl.String).alias("model_fingerprint"),
        pl.lit(rung, dtype=pl.String).alias("model_rung"),
    )
