"""The demonstration as a plain script: the same pure functions, files in a folder, no orchestration.

    python -m benchmarks.plain OUTPUT_FOLDER

It lands into ML_PLATFORM_HOME as the demonstration does, and keeps no history, resumes nothing, isolates nothing,
registers nothing and pins nothing: what the platform costs is its distance from this.
"""

import datetime as dt
import json
import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import polars as pl

from benchmarks.plain_data import DAY, Tables, build_tables
from benchmarks.plain_training import Trained, model_config, train
from ml_platform.demo.upstream import USE_CASE, land_everything
from ml_platform.serving.contract import predictions_contract, require_contract
from ml_platform.serving.plots import quality_over_days
from ml_platform.serving.quality import daily_quality
from ml_platform.serving.scoring import score_by_day
from ml_platform.settings import Settings
from ml_platform.tracking.models import TabularModel
from ml_platform.tracking.registry import RegisteredModel
from ml_platform.training.config import ModelConfig
from ml_platform.use_cases.flights import contract

MONTHS = tuple(dt.date(2013, month, 1) for month in (10, 11, 12))


class Champion(NamedTuple):
    """Who answers from a month on: the model, and what predictions say of it."""

    model: TabularModel
    version: RegisteredModel


def main(output: Path) -> None:
    """Everything, with the seconds of each stage and the scores as JSON on the last line."""
    output.mkdir(parents=True, exist_ok=True)
    marks = [time.perf_counter()]
    settings = Settings()
    land_everything(settings)
    marks.append(time.perf_counter())
    tables = build_tables(Path(settings.landing_uri.removeprefix("file://"), USE_CASE), output)
    marks.append(time.perf_counter())
    config = model_config()
    champions: dict[dt.date, Champion] = {}
    scores: dict[str, float] = {}
    for month in MONTHS:
        standing = list(champions.values())[-1:]
        trained = train(config, tables, month, standing[0].model if standing else None, output)
        champions[month] = _champion(month, trained, len(scores) + 1) if trained.decision.approved else standing[0]
        scores[str(month)] = trained.test.metrics["roc_auc_score"].value
    marks.append(time.perf_counter())
    predict(config, tables, champions, output)
    marks.append(time.perf_counter())
    stages = ("landing", "data", "training", "serving")
    seconds = {name: until - since for name, (since, until) in zip(stages, pairwise(marks), strict=True)}
    print(json.dumps({"seconds": seconds, "roc_auc_score": scores}))


def predict(config: ModelConfig, tables: Tables, champions: Mapping[dt.date, Champion], output: Path) -> None:
    """Predictions of each day of the months by the champion of its day, and their daily quality."""
    rows = tables.features.filter(pl.col(DAY) >= MONTHS[0])
    days = rows[DAY].unique().sort().to_list()
    keys = contract.DelayFeatures.primary_key()
    of_day = {day: champions[day.replace(day=1)] for day in days}
    models = {each.version.fingerprint: each.model for each in champions.values()}
    scored = score_by_day(
        rows,
        {day: champion.version for day, champion in of_day.items()},
        lambda version: models[version.fingerprint],
        day_column=DAY,
        keys=keys,
    )
    scored = require_contract(scored, predictions_contract(contract.DelayFeatures, "flight"), "predictions")
    quality = daily_quality(scored, tables.labels, days, day_column=DAY, keys=keys, label_column=config.labels.label)
    scored.write_parquet(output / "delay_predictions.parquet")
    quality.write_parquet(output / "delay_quality.parquet")
    (output / "quality_over_days.png").write_bytes(quality_over_days(quality, DAY))


def _champion(month: dt.date, trained: Trained, version: int) -> Champion:
    described = RegisteredModel(
        name="plain",
        version=version,
        as_of=month,
        uri=f"{month}.skops",
        sha256=trained.sha256,
        fingerprint=trained.sha256,
        run_id="",
        gate="approved",
    )
    return Champion(trained.model, described)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
