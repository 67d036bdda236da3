"""The demonstration as a plain script: the same pure functions, files in a folder, no orchestration.

    python -m benchmarks.plain LANDING_FOLDER OUTPUT_FOLDER

It keeps no history, resumes nothing, isolates nothing, registers nothing and pins nothing: what the platform costs is its
distance from this.
"""

import datetime as dt
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import dataframely as dy
import polars as pl
import yaml

from ml_platform.data.audit import audit
from ml_platform.data.landing import Arrived, Layout, read_many
from ml_platform.point_in_time.audit import LookBack, audit_knowledge
from ml_platform.point_in_time.features import KnownTable, build_features
from ml_platform.settings import PROJECT_ROOT
from ml_platform.tracking.models import TabularModel, predict_probability
from ml_platform.training.config import ModelConfig
from ml_platform.training.evaluation import EvaluatedRows, evaluate, evaluated_rows
from ml_platform.training.fit import fit_final
from ml_platform.training.gate import beats_baselines, is_not_worse_on_any_slice, is_not_worse_than_champion
from ml_platform.training.importance import permutation_importance
from ml_platform.training.search import TrialSettings, promote, propose, run_trial
from ml_platform.training.splits import select, windows_at
from ml_platform.training.trainers import FitPlan, training_data
from ml_platform.training.training_set import LabelledRows, build_matrices
from ml_platform.use_cases.flights import cleaning, contract, features, registers

MONTHS = tuple(dt.date(2013, month, 1) for month in (10, 11, 12))
TIME_ZONE = "America/New_York"
FLIGHTS = PROJECT_ROOT / "ml_platform" / "use_cases" / "flights"


class Tables(NamedTuple):
    """What the data stage makes, in memory."""

    flights: pl.DataFrame
    features: pl.DataFrame
    labels: pl.DataFrame


class NoCheckpoints:
    """A script starts over."""

    def save(self, step: int, data: bytes) -> None:
        """Keep nothing."""

    def latest(self) -> None:
        """Nothing was kept."""


def main(landing: Path, output: Path) -> None:
    """Everything, with the seconds of each stage as JSON on the last line."""
    started, seconds = time.perf_counter(), {}
    tables = build_tables(landing, output)
    seconds["data"] = time.perf_counter() - started
    config = model_config()
    champion: TabularModel | None = None
    scores, predictions = {}, []
    for as_of in MONTHS:
        champion, scores[str(as_of)] = train(config, tables, as_of, champion)
        month = tables.features.filter(pl.col("service_date").dt.truncate("1mo") == as_of)
        predictions.append(month.select(*config.join_on, probability=predict_probability(champion, month)))
    seconds["training"] = time.perf_counter() - started - seconds["data"]
    scored = pl.concat(predictions).join(tables.labels, on=list(config.join_on), how="left")
    scored.write_parquet(output / "predictions.parquet")
    print(json.dumps({"seconds": {**seconds, "all": time.perf_counter() - started}, "roc_auc_score": scores}))


def build_tables(landing: Path, output: Path) -> Tables:
    """Raw, clean, labels and features of the year, each written as one file."""
    output.mkdir(parents=True, exist_ok=True)
    days = [dt.date.fromisoformat(path.stem) for path in sorted((landing / "flights").glob("*.csv"))]
    airports = cleaning.clean_airports(_landed(landing / "airports.csv", registers.RawAirports).lazy())
    raw_flights = _daily(landing / "flights", days, contract.RawFlights)
    flights = _audited(cleaning.clean_flights(raw_flights.lazy(), airports), contract.CleanFlights)
    raw_weather = _daily(landing / "weather", days[:-1], contract.RawWeather)
    weather = _audited(cleaning.clean_weather(raw_weather.lazy()), contract.CleanWeather)
    labels = _audited(cleaning.delay_labels(flights.lazy()), contract.DelayLabels)
    computed = _features(flights, weather)
    written = {"raw": raw_flights, "weather_raw": raw_weather, "clean": flights, "weather": weather, "labels": labels}
    for name, frame in {**written, "features": computed}.items():
        frame.write_parquet(output / f"{name}.parquet")
    return Tables(flights, computed, labels)


def train(
    config: ModelConfig, tables: Tables, as_of: dt.date, champion: TabularModel | None
) -> tuple[TabularModel, float]:
    """The champion after this month, and the month's ROC AUC of the model trained for it."""
    windows = windows_at(as_of, TIME_ZONE, config.windows)
    rows = labelled(config, tables)
    matrices = build_matrices(rows, windows, config)
    winner = search(config, matrices.search())
    plan = FitPlan(parameters=winner, iterations=config.iterations, seed=config.seed, threads=config.threads)
    fitted = fit_final(config.trainer, matrices.fit(), plan, NoCheckpoints(), config.iterations)
    holdout = _scored(select(rows.frame, "holdout", windows, config.labels, 1), fitted.model, config)
    test = _scored(select(rows.frame, "test", windows, config.labels, 1), fitted.model, config)
    baselines = matrices.training_set.baselines
    evaluate("holdout", holdout, config.labels, baselines, config.report.slices)
    report = evaluate("test", test, config.labels, baselines, config.report.slices)
    encoded = training_data(holdout.frame, matrices.training_set.features, config.labels.label)
    permutation_importance(fitted.model, encoded, config.seed)
    other = predict_probability(champion, holdout.frame) if champion else None
    reasons = (
        beats_baselines(holdout, baselines, config.gate),
        is_not_worse_than_champion(holdout, other, config.gate),
        is_not_worse_on_any_slice(holdout, other, config.report.slices, config.gate),
    )
    promoted = champion is None or all(reason.passed for reason in reasons)
    return (fitted.model if promoted or champion is None else champion), report.metrics["roc_auc_score"].value


def search(config: ModelConfig, data: object) -> dict[str, object]:
    """Parameters of the best trial, by successive halving."""
    settings = TrialSettings(config.trainer, config.seed, threads=config.threads)
    going, models = propose(config.parameters, config.search, config.seed), {}
    outcomes = []
    for rung in config.search.rungs:
        results = [run_trial(p, rung.iterations, data, settings, models.get(p.number)) for p in going]
        models = {result.outcome.number: result.model for result in results}
        outcomes = promote([result.outcome for result in results], rung.keep)
        kept = {outcome.number for outcome in outcomes}
        going = [proposal for proposal in going if proposal.number in kept]
    return outcomes[0].parameters


def model_config() -> ModelConfig:
    """The flights model as its defs.yaml has it."""
    attributes = yaml.safe_load((FLIGHTS / "training" / "defs.yaml").read_text())["attributes"]
    return ModelConfig.model_validate(attributes["models"][0])


def labelled(config: ModelConfig, tables: Tables) -> LabelledRows:
    """Features with their labels, in the order of the features."""
    extra = [config.labels.label, config.labels.known_at, *config.join_on]
    joined = tables.features.join(tables.labels.select(extra), on=list(config.join_on), maintain_order="left")
    return LabelledRows(joined, tuple(c for c in tables.features.columns if c not in config.not_features))


def _features(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    spine = KnownTable(flights, contract.CleanFlights)
    inputs = {"flights": spine, "weather": KnownTable(weather, contract.CleanWeather)}
    built = build_features(features.delay_features, spine=spine, inputs=inputs, prediction_at=features.prediction_at)
    audit_knowledge(
        features.delay_features,
        built=built,
        key=contract.DelayFeatures.primary_key(),
        spine=spine,
        inputs=inputs,
        prediction_at=features.prediction_at,
        look_back=LookBack("service_date", 30),
    )
    return _audited(built.lazy(), contract.DelayFeatures)


def _daily(folder: Path, days: Sequence[dt.date], schema: type[dy.Schema]) -> pl.DataFrame:
    arrived = [Arrived(f"{day}.csv", day, (folder / f"{day}.csv").read_bytes()) for day in days]
    return read_many(arrived, Layout(schema, ("year", "month", "day"))).frame


def _landed(path: Path, schema: type[dy.Schema]) -> pl.DataFrame:
    return read_many([Arrived(path.name, None, path.read_bytes())], Layout(schema)).frame


def _audited(frame: pl.LazyFrame, schema: type[dy.Schema]) -> pl.DataFrame:
    name = schema.__name__
    return audit(frame.collect(), schema, table=name, partition_column="service_date", reject_above=0.05).accepted


def _scored(frame: pl.DataFrame, model: TabularModel, config: ModelConfig) -> EvaluatedRows:
    return evaluated_rows(frame, predict_probability(model, frame), config.labels, config.report.resamples, config.seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
