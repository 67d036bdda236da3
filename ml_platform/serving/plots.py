"""A small picture of quality over days. Belongs here: drawing. Does not: arithmetic. matplotlib is imported on use."""

import io
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_PER_INCH = 90
INK, ACCENT, SOFT = "#1f2933", "#2563eb", "#c55a11"


def quality_over_days(quality: pl.DataFrame, day_column: str) -> bytes:
    """PNG of two panels by day: ROC AUC, and the mean probability against the rate that was seen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    ranking, rate = figure.subplots(2, 1, sharex=True)
    days = quality[day_column].to_list()
    _style(ranking, "ROC AUC of each day; the line is chance")
    ranking.plot(days, quality["roc_auc_score"].to_numpy(), color=ACCENT, linewidth=1, marker="o", markersize=2.5)
    ranking.axhline(0.5, color=SOFT, linewidth=1, linestyle="--")
    _style(rate, "Rate of positives")
    rate.plot(days, quality["mean_probability"].to_numpy(), color=ACCENT, linewidth=1, label="predicted")
    rate.plot(days, quality["positive_rate"].to_numpy(), color=SOFT, linewidth=1, label="seen")
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
