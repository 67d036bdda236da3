"""The training stage of the plain script: one model for each as-of month, searched, fitted, evaluated and gated.

Belongs here: the platform's own pure functions, called one after the other. Does not: arithmetic of its own.
"""

import datetime as dt
from pathlib import Path
from typing import NamedTuple

import yaml

from benchmarks.plain_data import Tables
from ml_platform.settings import PROJECT_ROOT
from ml_platform.tracking.models import TabularModel, encode, loads, predict_probability
from ml_platform.training.config import ModelConfig
from ml_platform.training.evaluation import EvaluatedRows, Evaluation, evaluate, evaluated_rows
from ml_platform.training.fit import FinalFit, fit_final
from ml_platform.training.gate import (
    GateDecision,
    beats_baselines,
    decide,
    is_not_worse_on_any_slice,
    is_not_worse_than_champion,
    saved_model_scores_the_same,
)
from ml_platform.training.importance import permutation_importance
from ml_platform.training.plots import calibration_plot, importance_plot, ranking_plot, search_plot
from ml_platform.training.search import SearchData, TrialOutcome, TrialSettings, promote, propose, run_trial
from ml_platform.training.splits import WindowName, Windows, select, windows_at
from ml_platform.training.trainers import FitPlan, TrainingData
from ml_platform.training.training_set import LabelledRows, Matrices, build_matrices

FLIGHTS = PROJECT_ROOT / "ml_platform" / "use_cases" / "flights"


class Searched(NamedTuple):
    """The best trial, and the outcomes of all on every rung."""

    winner: TrialOutcome
    outcomes: list[TrialOutcome]


class Trained(NamedTuple):
    """The model of one month, what the gate said of it, and its report on the month."""

    model: TabularModel
    sha256: str
    decision: GateDecision
    test: Evaluation


class NoCheckpoints:
    """A script starts over."""

    def save(self, step: int, data: bytes) -> None:
        """Keep nothing."""

    def latest(self) -> None:
        """Nothing was kept."""


def model_config() -> ModelConfig:
    """The flights model as its defs.yaml has it."""
    attributes = yaml.safe_load((FLIGHTS / "training" / "defs.yaml").read_text())["attributes"]
    return ModelConfig.model_validate(attributes["models"][0])


def time_zone() -> str:
    """The use case's, in which months begin."""
    return str(yaml.safe_load((FLIGHTS / "use_case.yaml").read_text())["timezone"])


def train(config: ModelConfig, tables: Tables, as_of: dt.date, champion: TabularModel | None, output: Path) -> Trained:
    """The model as of `as_of`, with its report, its pictures and the gate's decision, all written to `output`."""
    windows = windows_at(as_of, time_zone(), config.windows)
    rows = labelled(config, tables)
    matrices = build_matrices(rows, windows, config)
    searched = search(config, matrices.search())
    fitted = fit(config, matrices, searched.winner)
    model = loads(fitted.data, fitted.sha256)
    holdout, test = (_scored(rows, window, windows, model, config) for window in ("holdout", "test"))
    trained = _judged(config, matrices, fitted, holdout, test, champion)
    encoded = TrainingData(
        model.features, model.categories, encode(holdout.frame, model.features, model.categories), holdout.scored.labels
    )
    importances = permutation_importance(model, encoded, config.seed)
    pictures = {
        "calibration": calibration_plot(trained.test.calibration, config.task),
        "ranking": ranking_plot(test.scored.labels, test.scored.scores),
        "importance": importance_plot(importances, config.task.type.loss),
        "search": search_plot(searched.outcomes, config.task.type.loss),
    }
    for name, png in pictures.items():
        (output / f"{as_of}_{name}.png").write_bytes(png)
    (output / f"{as_of}.skops").write_bytes(fitted.data)
    (output / f"{as_of}.json").write_text(trained.test.model_dump_json())
    return trained


def labelled(config: ModelConfig, tables: Tables) -> LabelledRows:
    """Features with their labels, in the order of the features."""
    extra = [config.labels.label, config.labels.known_at, *config.join_on]
    joined = tables.features.join(tables.labels.select(extra), on=list(config.join_on), maintain_order="left")
    return LabelledRows(joined, tuple(c for c in tables.features.columns if c not in config.not_features))


def search(config: ModelConfig, data: SearchData) -> Searched:
    """Successive halving, one trial after the other, each on all threads."""
    settings = TrialSettings(config.trainer, config.seed, threads=config.threads)
    going, outcomes, best = propose(config.parameters, config.search, config.seed), list[TrialOutcome](), []
    models: dict[int, TabularModel | None] = {}
    for rung in config.search.rungs:
        results = [run_trial(each, rung.iterations, data, settings, models.get(each.number)) for each in going]
        models = {result.outcome.number: result.model for result in results}
        outcomes += [result.outcome for result in results]
        best = promote([result.outcome for result in results], rung.keep)
        kept = {outcome.number for outcome in best}
        going = [each for each in going if each.number in kept]
    return Searched(best[0], outcomes)


def fit(config: ModelConfig, matrices: Matrices, winner: TrialOutcome) -> FinalFit:
    """The winner on the whole fit window, in one go."""
    plan = FitPlan(parameters=winner.parameters, iterations=config.iterations, seed=config.seed, threads=config.threads)
    return fit_final(config.trainer, matrices.fit(), plan, NoCheckpoints(), config.iterations)


def _judged(
    config: ModelConfig,
    matrices: Matrices,
    fitted: FinalFit,
    holdout: EvaluatedRows,
    test: EvaluatedRows,
    champion: TabularModel | None,
) -> Trained:
    """The reports on both windows, and the questions of the gate."""
    baselines, slices = matrices.training_set.baselines, config.report.slices
    evaluate("holdout", holdout, config.labels, baselines, slices)
    report = evaluate("test", test, config.labels, baselines, slices)
    other = predict_probability(champion, holdout.frame) if champion else None
    decision = decide(
        [
            beats_baselines(holdout, baselines, config.gate),
            saved_model_scores_the_same(fitted.data, fitted.sha256, holdout.frame, holdout.scored.scores),
            is_not_worse_than_champion(holdout, other, config.gate),
            is_not_worse_on_any_slice(holdout, other, slices, config.gate),
        ]
    )
    return Trained(fitted.model, fitted.sha256, decision, report)


def _scored(
    rows: LabelledRows, window: WindowName, windows: Windows, model: TabularModel, config: ModelConfig
) -> EvaluatedRows:
    frame = select(rows.frame, window, windows, config.labels, config.windows.minimum_rows)
    return evaluated_rows(frame, predict_probability(model, frame), config.labels, config.report.resamples, config.seed)
