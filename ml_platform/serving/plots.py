"""A small picture of quality over days. Belongs here: drawing. Does not: arithmetic. matplotlib is imported on use."""

import io

import polars as pl

_INK, _SOFT = "#1f4e79", "#c55a11"


def quality_over_days(quality: pl.DataFrame, day_column: str) -> bytes:
    """PNG of two panels by day: ROC AUC, and the mean probability against the rate that was seen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.6), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    ranking, calibration = figure.subplots(2, 1, sharex=True)
    days = quality[day_column].to_list()
    ranking.plot(days, quality["roc_auc_score"].to_numpy(), color=_INK, marker=".")
    ranking.axhline(0.5, color=_SOFT, linewidth=0.8)
    ranking.set_ylabel("ROC AUC")
    calibration.plot(days, quality["mean_probability"].to_numpy(), color=_INK, label="predicted")
    calibration.plot(days, quality["positive_rate"].to_numpy(), color=_SOFT, label="seen")
    calibration.set_ylabel("positive rate")
    calibration.legend(fontsize=8)
    figure.autofmt_xdate()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
