"""Plots of a report as small PNG images.

Belongs here: drawing. Does not: the numbers that are drawn. matplotlib is imported on first use, with no window system.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ml_platform.evaluation.scores import CalibrationBin
from ml_platform.evaluation.task import LOWER, UPPER, VALUE, FloatArray, MetricName, Outcomes, Task
from ml_platform.training.importance import Importance
from ml_platform.training.intervals import ScoredRows
from ml_platform.training.search import TrialOutcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 90
INK, ACCENT, SOFT = "#1f2933", "#2563eb", "#9aa5b1"


def pictures_of(bins: Sequence[CalibrationBin], rows: ScoredRows) -> dict[str, bytes]:
    """The pictures of a task's report, as PNG by name: its calibration, and what is particular to its kind."""
    pictures = {"calibration": calibration_plot(bins, rows.task)}
    match rows.task.kind:
        case "binary":
            pictures["ranking"] = ranking_plot(rows.labels, rows.scores)
        case "multiclass":
            pictures["confusion"] = confusion_plot(rows.labels, rows.scores, rows.task)
        case "forecast":
            pictures["intervals"] = intervals_plot(rows.labels, rows.scores, rows.task)
    return pictures


def calibration_plot(bins: Sequence[CalibrationBin], task: Task) -> bytes:
    """What was observed against what was predicted, with the diagonal of a perfect model."""
    is_number = task.kind in ("regression", "forecast")
    unit = f", {task.unit}" if task.unit else ""
    x, y = (f"mean prediction{unit}", "mean seen") if is_number else ("mean predicted probability", "observed rate")
    figure, axes = _figure("Calibration", x, y)
    predicted, observed = [b.mean_predicted for b in bins], [b.mean_observed for b in bins]
    low, high = min(0.0, *predicted, *observed), max(*predicted, *observed, 0.01)
    ends = (1.05 * low, 1.05 * high)
    axes.plot(ends, ends, color=SOFT, linewidth=1, linestyle="--", label="perfect")
    axes.plot(predicted, observed, color=ACCENT, marker="o", markersize=4, label=f"model, {len(bins)} bins")
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def confusion_plot(labels: Outcomes, scores: FloatArray, task: Task) -> bytes:
    """Share of each true class, a row, that was taken for each class, a column."""
    counts = np.zeros((len(task.classes),) * 2)
    np.add.at(counts, (labels, scores.argmax(axis=1)), 1)
    figure, axes = _figure("Confusion", "likeliest class", "true class")
    axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    places = range(len(task.classes))
    axes.set_xticks(places, task.classes, rotation=45, ha="right")
    axes.set_yticks(places, task.classes)
    return _png(figure)


def intervals_plot(labels: Outcomes, scores: FloatArray, task: Task) -> bytes:
    """Share of outcomes inside their interval, by tenths of rows of ascending prediction, and the share asked for."""
    tenths = np.array_split(np.argsort(scores[:, VALUE], kind="stable"), min(10, len(labels)))
    inside = (labels >= scores[:, LOWER]) & (labels <= scores[:, UPPER])
    values = [float(scores[rows, VALUE].mean()) for rows in tenths]
    figure, axes = _figure("Outcomes inside their interval", f"mean prediction, {task.unit}".rstrip(", "), "share")
    axes.axhline(task.coverage, color=SOFT, linewidth=1, linestyle="--", label="asked for")
    axes.plot(values, [inside[rows].mean() for rows in tenths], color=ACCENT, marker="o", markersize=4, label="seen")
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def ranking_plot(labels: Outcomes, scores: FloatArray) -> bytes:
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


def importance_plot(importances: Sequence[Importance], loss: MetricName, top: int = 15) -> bytes:
    """The most important features, as the increase of the task's loss when they are shuffled."""
    shown = list(importances[:top])[::-1]
    figure, axes = _figure(
        "Permutation importance", f"increase in {words(loss)} when shuffled", "", height=0.8 + 0.24 * len(shown)
    )
    axes.barh([each.feature for each in shown], [each.loss_increase for each in shown], color=ACCENT)
    axes.tick_params(axis="y", length=0)
    return _png(figure)


def search_plot(outcomes: Sequence[TrialOutcome], loss: MetricName) -> bytes:
    """Loss of each trial on the validation window against its iterations; failed trials are named in the title."""
    failed = sorted({outcome.number for outcome in outcomes if outcome.outcome == "failed"})
    title = "Search" + (f" (failed: {', '.join(map(str, failed))})" if failed else "")
    figure, axes = _figure(title, "iterations", f"validation {words(loss)}")
    scored = [(o.number, o.iterations, lost) for o in outcomes if (lost := o.validation_loss) is not None]
    for number in sorted({number for number, _, _ in scored}):
        path = sorted((iterations, lost) for each, iterations, lost in scored if each == number)
        axes.plot(
            [step for step, _ in path], [lost for _, lost in path], marker="o", markersize=4, label=f"trial {number}"
        )
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def words(metric: MetricName) -> str:
    """The name of a score as a reader says it; of losses of probabilities with their unit."""
    return metric.replace("_", " ") + (", nats" if metric == "log_loss" else "")


def _cumulated(labels: Outcomes, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
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
