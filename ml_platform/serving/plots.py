"""A small picture of quality over days. Belongs here: drawing. Does not: arithmetic. matplotlib is imported on use."""

import io
from typing import TYPE_CHECKING

import polars as pl

from ml_platform.evaluation.task import BINARY, Task
from ml_platform.serving.answers import MEANS, scores_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_PER_INCH = 90
INK, ACCENT, SOFT = "#1f2933", "#2563eb", "#c55a11"


def quality_over_days(quality: pl.DataFrame, day_column: str, task: Task = BINARY) -> bytes:
    """PNG of two panels by day: the first score of the task, and what was predicted and seen on average."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    ranking, rate = figure.subplots(2, 1, sharex=True)
    days = quality[day_column].to_list()
    predicted, seen = MEANS[task.kind]
    score = next(iter(scores_of(task)), seen)
    if task.kind == "binary":
        _style(ranking, "ROC AUC of each day; the line is chance")
        ranking.axhline(0.5, color=SOFT, linewidth=1, linestyle="--")
    else:
        _style(ranking, f"{score.replace('_', ' ').capitalize()} of each day{f', {task.unit}' if task.unit else ''}")
    ranking.plot(days, quality[score].to_numpy(), color=ACCENT, linewidth=1, marker="o", markersize=2.5)
    _style(rate, "Rate of positives" if task.kind == "binary" else "Mean of each day")
    rate.plot(days, quality[predicted].to_numpy(), color=ACCENT, linewidth=1, label="predicted")
    rate.plot(days, quality[seen].to_numpy(), color=SOFT, linewidth=1, label="seen")
    rate.set_ylim(bottom=0)
    rate.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
    figure.autofmt_xdate(rotation=0, ha="center")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _style(axes: "Axes", title: str) -> None:
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
