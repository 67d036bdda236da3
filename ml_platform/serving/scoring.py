"""Scoring: features of many days, each with the champion of its day.

Belongs here: frames and models to predictions. Does not: where features and model bytes come from.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import polars as pl

from ml_platform.tracking.models import TabularModel, predict_probability
from ml_platform.tracking.registry import RegisteredModel

Load = Callable[[RegisteredModel], TabularModel]


def score_by_day(
    features: pl.DataFrame,
    champions: Mapping[dt.date, RegisteredModel],
    load: Load,
    *,
    day_column: str,
    keys: Sequence[str],
) -> pl.DataFrame:
    """One row for each row of `features`: its keys, the probability and the version that gave it.

    A version is loaded once, however many days it answers for; a day gives the same rows alone as among others.

    Raises:
        ObjectCorruptError: the bytes of a model are not the recorded ones.
        DefinitionError: a feature of a model is missing.
    """
    days_of: dict[str, list[dt.date]] = {}
    version_of = {champion.fingerprint: champion for champion in champions.values()}
    for day, champion in champions.items():
        days_of.setdefault(champion.fingerprint, []).append(day)
    parts = [
        _scored(features.filter(pl.col(day_column).is_in(days)), version_of[fingerprint], load, keys)
        for fingerprint, days in days_of.items()
    ]
    return pl.concat(parts)


def _scored(rows: pl.DataFrame, champion: RegisteredModel, load: Load, keys: Sequence[str]) -> pl.DataFrame:
    probability = predict_probability(load(champion), rows)
    return rows.select(keys).with_columns(
        pl.Series("probability", probability, dtype=pl.Float64),
        pl.lit(champion.version, dtype=pl.Int64).alias("model_version"),
        pl.lit(champion.as_of, dtype=pl.Date).alias("model_as_of"),
        pl.lit(champion.fingerprint, dtype=pl.String).alias("model_fingerprint"),
    )
