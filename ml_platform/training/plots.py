"""Plots of a report as small PNG images.

Belongs here: drawing. Does not: the numbers that are drawn. matplotlib is imported on first use, with no window system.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ml_platform.training.importance import Importance
from ml_platform.training.metrics import BoolArray, CalibrationBin, FloatArray
from ml_platform.training.search import TrialOutcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 90
INK, ACCENT, SOFT = "#1f2933", "#2563eb", "#9aa5b1"


def calibration_plot(bins: Sequence[CalibrationBin]) -> bytes:
    """Observed rate against mean predicted probability, with the diagonal of a perfect model."""
    figure, axes = _figure("Calibration", "mean predicted probability", "observed rate")
    scores, rates = [b.mean_score for b in bins], [b.observed_rate for b in bins]
    top = 1.05 * max(*scores, *rates, 0.01)
    axes.plot([0, top], [0, top], color=SOFT, linewidth=1, linestyle="--", label="perfect")
    axes.plot(scores, rates, color=ACCENT, marker="o", markersize=4, label=f"model, {len(bins)} bins")
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def ranking_plot(labels: BoolArray, scores: FloatArray) -> bytes:
    """Left the ROC curve, right precision against recall."""
    from matplotlib.figure import Figure

    found, wrong = _cumulated(labels, scores)
    figure = Figure(figsize=(7.2, 3.2), dpi=DOTS_PER_INCH, layout="constrained")
    roc, pr = figure.subplots(1, 2)
    _style(roc, "ROC", "false positive rate", "true positive rate")
    roc.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--")
    roc.plot(wrong / wrong[-1], found / found[-1], color=ACCENT)
    _style(pr, "Precision and recall", "recall", "precision")
    pr.axhline(found[-1] / (found[-1] + wrong[-1]), color=SOFT, linewidth=1, linestyle="--")
    pr.plot(found / found[-1], found / (found + wrong), color=ACCENT)
    pr.set_ylim(0, 1.02)
    return _png(figure)


def importance_plot(importances: Sequence[Importance], top: int = 15) -> bytes:
    """The most important features, as the increase in log loss when they are shuffled."""
    shown = list(importances[:top])[::-1]
    figure, axes = _figure(
        "Permutation importance", "increase in log loss when shuffled, nats", "", height=0.8 + 0.24 * len(shown)
    )
    axes.barh([each.feature for each in shown], [each.log_loss_increase for each in shown], color=ACCENT)
    axes.tick_params(axis="y", length=0)
    return _png(figure)


def search_plot(outcomes: Sequence[TrialOutcome]) -> bytes:
    """Validation log loss of each trial against its iterations; failed trials are named in the title."""
    failed = sorted({outcome.number for outcome in outcomes if outcome.outcome == "failed"})
    title = "Search" + (f" (failed: {', '.join(map(str, failed))})" if failed else "")
    figure, axes = _figure(title, "iterations", "validation log loss, nats")
    scored = [(o.number, o.iterations, loss) for o in outcomes if (loss := o.validation_log_loss) is not None]
    for number in sorted({number for number, _, _ in scored}):
        path = sorted((iterations, loss) for each, iterations, loss in scored if each == number)
        axes.plot(
            [step for step, _ in path], [loss for _, loss in path], marker="o", markersize=4, label=f"trial {number}"
        )
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def _cumulated(labels: BoolArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """True and false positives at each of at most 200 thresholds, descending."""
    order = np.argsort(-scores, kind="stable")
    found, wrong = np.cumsum(labels[order]), np.cumsum(~labels[order])
    last_of_score = np.flatnonzero(np.diff(scores[order], append=-1.0))
    kept = last_of_score[np.unique(np.linspace(0, len(last_of_score) - 1, 200).astype(int))]
    return found[kept].astype(np.float64), wrong[kept].astype(np.float64)


def _figure(title: str, x: str, y: str, height: float = 3.2) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, height), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    _style(axes, title, x, y)
    return figure, axes


def _style(axes: "Axes", title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.set_xlabel(x, fontsize=8, color=INK)
    axes.set_ylabel(y, fontsize=8, color=INK)
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
