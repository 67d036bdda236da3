"""What a step of the platform does, with the libraries that it does it with; small enough for a second."""

from pathlib import Path

import dataframely as dy
import matplotlib as mpl
import mlflow
import numpy as np
import optuna
import polars as pl
import skops.io
from deltalake import DeltaTable, write_deltalake
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score


class Flights(dy.Schema):
    """One row per flight."""

    delay_minutes = dy.Float64()
    is_late = dy.Int64()


def run(folder: Path) -> None:
    """Use every library once in `folder`."""
    frame = table(folder)
    model, score = fit(frame)
    skops.io.loads(skops.io.dumps(model), trusted=skops.io.get_untrusted_types(data=skops.io.dumps(model)))
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1), pruner=optuna.pruners.HyperbandPruner())
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) * score, n_trials=2)
    track(folder, score)


def table(folder: Path) -> pl.DataFrame:
    """A validated frame that has been to a Delta table and back."""
    frame = Flights.validate(pl.DataFrame({"delay_minutes": np.arange(200.0), "is_late": [0, 1] * 100}))
    write_deltalake(str(folder / "table"), frame.to_arrow(), mode="overwrite")
    assert DeltaTable(str(folder / "table")).version() >= 0
    return pl.scan_delta(str(folder / "table")).collect()


def fit(frame: pl.DataFrame) -> tuple[HistGradientBoostingClassifier, float]:
    """A model, and its area under the curve."""
    model = HistGradientBoostingClassifier(max_iter=3, warm_start=True)
    features, labels = frame.select("delay_minutes").to_numpy(), frame["is_late"].to_numpy()
    model.fit(features, labels)
    likely = model.predict_proba(features)[:, 1]
    return model, float(roc_auc_score(labels, likely) + log_loss(labels, likely) + brier_score_loss(labels, likely))


def track(folder: Path, score: float) -> None:
    """An MLflow run with a metric and a figure, in a SQLite store."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, score])
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.create_experiment("steps", artifact_location=(folder / "artifacts").as_uri())
    mlflow.set_experiment("steps")
    with mlflow.start_run():
        mlflow.log_metric("score", score)
        mlflow.log_figure(figure, "score.png")
    plt.close(figure)
