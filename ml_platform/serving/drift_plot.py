"""Pictures of drift: distances of columns by day, and the evidence of a champion's days.

Belongs here: drawing. Does not: arithmetic. matplotlib is imported on use.
"""

import base64
import datetime as dt
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.serving.plots import ACCENT, DOTS_PER_INCH, INK, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS_SHOWN = 40
_LARGEST_SHOWN = 2.0  # times the threshold; what is further away looks the same


def picture(name: Literal["distances", "evidence"], rows: pl.DataFrame, day: str) -> dict[str, Any]:
    """The picture of that name as metadata; none without rows."""
    if rows.is_empty():
        return {}
    draw: dict[str, Callable[[pl.DataFrame, str], bytes]] = {"distances": distances_by_day, "evidence": evidence_by_day}
    encoded = base64.b64encode(draw[name](rows, day)).decode()
    return {f"{name}_by_day": dg.MetadataValue.md(f"![{name} by day](data:image/png;base64,{encoded})")}


def distances_by_day(rows: pl.DataFrame, day: str) -> bytes:
    """PNG of a heat map: distance over threshold of each column by day, the furthest above; blank was left out."""
    ratios = rows.with_columns(ratio=pl.col("distance") / pl.col("threshold"))
    ranked = ratios.group_by("column").agg(pl.col("is_drifted").sum(), pl.col("ratio").mean())
    ranked = ranked.sort("is_drifted", "ratio", "column", descending=[True, True, False])
    names = ranked["column"].head(COLUMNS_SHOWN).to_list()
    days, grid = _grid(ratios.filter(pl.col("column").is_in(names)), day, names)
    figure = _figure((9.0, 1.6 + 0.19 * len(names)))
    axes = figure.subplots()
    left_out = f", of {ranked.height}" if ranked.height > len(names) else ""
    _style(axes, f"Distance from training, as a multiple of the threshold: {len(names)} columns{left_out}")
    image = axes.imshow(grid, aspect="auto", cmap="RdBu_r", vmin=0, vmax=_LARGEST_SHOWN, interpolation="nearest")
    axes.set_yticks(range(len(names)), names, fontsize=7)
    first = [place for place, at in enumerate(days) if at.day == 1 or place == 0]
    axes.set_xticks(first, [f"{days[place]:%d %b %Y}" for place in first], fontsize=8)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, extend="max")
    bar.ax.tick_params(labelsize=8)
    return _png(figure)


def evidence_by_day(rows: pl.DataFrame, day: str) -> bytes:
    """PNG of two panels by day, on a logarithmic scale: evidence of drift and of decay, and what an alarm needs."""
    figure = _figure((9.0, 4.6))
    panels = figure.subplots(2, 1, sharex=True)
    days = rows[day].to_list()
    changes = rows.filter(pl.col("model_version") != pl.col("model_version").shift())[day].to_list()
    titles = {"drift": "Evidence of drift since training", "decay": "Evidence of decay since evaluation"}
    for axes, (kind, title) in zip(panels, titles.items(), strict=True):
        _style(axes, f"{title}; dashed: what an alarm needs, dotted: another champion")
        evidence = np.maximum(rows[f"{kind}_evidence"].to_numpy(), 0.01)
        axes.plot(days, evidence, color=ACCENT, linewidth=1, marker="o", markersize=2.5)
        axes.plot(days, rows["evidence_needed"].to_numpy(), color=SOFT, linewidth=1, linestyle="--")
        for at in changes:
            axes.axvline(at, color=INK, linewidth=0.8, linestyle=":")
        axes.set_yscale("log")
    figure.autofmt_xdate(rotation=0, ha="center")
    return _png(figure)


def _grid(ratios: pl.DataFrame, day: str, names: list[str]) -> tuple[list[dt.date], NDArray[np.float64]]:
    """The days without a gap, and the ratio of each column (a row of the grid) on each of them; nan where left out."""
    known = ratios[day].unique().sort().to_list()
    days = [known[0] + dt.timedelta(days=number) for number in range((known[-1] - known[0]).days + 1)]
    grid = np.full((len(names), len(days)), np.nan)
    for at, column, ratio in ratios.select(day, "column", "ratio").rows():
        grid[names.index(column), (at - known[0]).days] = ratio
    return days, grid


def _figure(size: tuple[float, float]) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _style(axes: "Axes", title: str) -> None:
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
