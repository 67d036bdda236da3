"""Cards and data sheets as pages: one HTML file each, readable in light and dark, printable, without anything external.

Belongs here: how facts are shown. Does not: gathering them. The templates lie beside this module.
"""

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from ml_platform.evaluation.task import IN_UNITS, MetricName, Task, TaskKind
from ml_platform.provenance.card import ModelCard
from ml_platform.provenance.sheet import DataSheet
from ml_platform.training.evaluation import BaselineScore, Evaluation
from ml_platform.training.intervals import Interval
from ml_platform.training.slices import SliceScore

LABELS: dict[MetricName, str] = {
    "roc_auc_score": "ROC AUC",
    "pr_auc_score": "PR AUC",
    "log_loss": "log loss, nats",
    "brier_score": "Brier score",
    "expected_calibration_error": "calibration error",
    "accuracy_score": "accuracy",
    "mean_absolute_error": "mean absolute error",
    "root_mean_squared_error": "root mean squared error",
    "pinball_loss": "pinball loss",
    "interval_coverage": "outcomes inside their interval",
    "mean_interval_width": "mean width of an interval",
}
TILES: dict[TaskKind, tuple[MetricName, ...]] = {
    "binary": ("roc_auc_score", "pr_auc_score", "log_loss", "expected_calibration_error"),
    "multiclass": ("accuracy_score", "log_loss", "brier_score", "expected_calibration_error"),
    "regression": ("mean_absolute_error", "root_mean_squared_error"),
    "forecast": ("mean_absolute_error", "pinball_loss", "interval_coverage", "mean_interval_width"),
}
AXES: dict[bool, tuple[str, str]] = {
    True: ("mean predicted probability", "observed rate"),
    False: ("mean prediction", "mean seen"),
}
PLOT_LEFT, PLOT_RIGHT, PLOT_TOP, PLOT_BOTTOM = 40.0, 350.0, 10.0, 260.0


class Score(NamedTuple):
    """A score and its interval, as they are printed."""

    value: str
    interval: str


class Tile(NamedTuple):
    """One number of the first screen."""

    label: str
    value: str
    interval: str
    baseline: str


class BaselineCell(NamedTuple):
    """A baseline's score, and by how much the model is better."""

    value: str
    advantage: str


class ScoreRow(NamedTuple):
    """One score of the model and of the baselines."""

    label: str
    value: str
    interval: str
    baselines: list[BaselineCell]


class Report(NamedTuple):
    """The scores on one window."""

    title: str
    baselines: list[str]
    rows: list[ScoreRow]


class Point(NamedTuple):
    """A place in the calibration plot."""

    x: float
    y: float
    label: str = ""


class Calibration(NamedTuple):
    """The calibration plot: its ticks on both axes, its points, and what its axes are called."""

    ticks: list[Point]
    points: list[Point]
    axes: tuple[str, str]


class Band(NamedTuple):
    """An interval and its value on a scale, in percent of the scale's width."""

    left: float
    width: float
    value: float


class SliceRow(NamedTuple):
    """One slice."""

    value: str
    rows: int
    observed: str
    predicted: str
    first: Score
    second: Score
    band: Band | None


class SliceGroup(NamedTuple):
    """The slices of one column, on one scale."""

    column: str
    low: str
    high: str
    overall: float
    rows: list[SliceRow]


def card_page(card: ModelCard) -> str:
    """The card as an HTML page."""
    windows = [each for each in (card.test, card.holdout) if each is not None]
    return _rendered(
        "card.html.j2",
        title=f"{card.name}, version {card.version}: model card",
        card=card,
        shown=card.shown,
        seen=_seen(card.shown),
        loss=label_of(card.shown.task.type.loss, card.shown.task),
        slice_scores=[label_of(metric, card.shown.task) for metric in card.shown.task.type.of_slices[:2]],
        tiles=[_tile(card.shown, metric) for metric in TILES[card.shown.task.kind]],
        reports=[_report(each) for each in windows],
        calibration=_calibration(card.shown),
        slices=list(_slices(card.shown)),
        slices_title=f"On {_window(card.shown)}.",
        largest=max((each.loss_increase or 0.0 for each in card.features), default=0.0),
    )


def sheet_page(sheet: DataSheet) -> str:
    """The data sheet as an HTML page."""
    return _rendered(
        "sheet.html.j2",
        title=f"{sheet.table}: data sheet",
        sheet=sheet,
        failed=sum(not check.passed for check in sheet.checks),
        gaps=sorted((each for each in sheet.columns if each.missing), key=lambda each: -each.missing),
        most=max((each.rows for each in sheet.months), default=0),
    )


def _rendered(template: str, **facts: Any) -> str:
    return _environment().get_template(template).render(**facts)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ml_platform.provenance"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "count": lambda value: f"{value:,}",
        "day": lambda value: f"{value.day} {value:%B %Y}",
        "instant": _instant,
        "percent": lambda value: f"{100 * value:.1f} %",
        "share_of": lambda value, most: round(100 * max(value or 0, 0) / most, 1) if most else 0,
        "short": lambda value: f"{value:.4g}" if isinstance(value, float) else value,
        "thousands": lambda value: f"{value / 1000:.1f}k" if value >= 1000 else str(value),
        "three": lambda value: f"{value:.3f}",
        "words": lambda value: str(value).replace("_", " "),
    }
    return environment


def _instant(value: dt.datetime | None) -> str:
    return "unknown" if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


def _tile(report: Evaluation, metric: MetricName) -> Tile:
    found = _score(report.metrics[metric])
    best = report.baselines[-1] if report.baselines else None
    told = f"{best.name.replace('_', ' ')}: {best.metrics[metric]:.3f}" if best else ""
    return Tile(label_of(metric, report.task), found.value, found.interval, told)


def _report(report: Evaluation) -> Report:
    rows = [
        ScoreRow(label_of(metric, report.task), *_score(found), [_baseline(each, metric) for each in report.baselines])
        for metric, found in ((metric, report.metrics[metric]) for metric in report.task.type.metrics)
    ]
    names = [each.name.replace("_", " ") for each in report.baselines]
    return Report(_window(report), names, rows)


def label_of(metric: MetricName, task: Task) -> str:
    """The name of a score as a reader knows it, with its unit."""
    return LABELS[metric] + (f", {task.unit}" if metric in IN_UNITS and task.unit else "")


def _seen(report: Evaluation) -> str:
    """What came, in a few words after the scored rows."""
    told = _number(report.mean_observed, report.task)
    match report.task.kind:
        case "binary":
            return f"{told} of them are positive"
        case "multiclass":
            return f"{told} of them are of the likeliest class"
    return f"their mean is {told}"


def _number(value: float, task: Task) -> str:
    """A share of rows, or a value with its unit."""
    is_share = task.kind in ("binary", "multiclass")
    return f"{100 * value:.1f} %" if is_share else f"{value:,.4g} {task.unit}".rstrip()


def _window(report: Evaluation) -> str:
    names = {"test": "the as-of month", "holdout": "the holdout"}
    days = f"{report.first_day} to {report.last_day}"
    return f"{names[report.window]}, {days}, {report.rows:,} rows on {report.days} days"


def _baseline(baseline: BaselineScore, metric: MetricName) -> BaselineCell:
    better = baseline.advantage.get(metric)
    return BaselineCell(f"{baseline.metrics[metric]:.3f}", str(better) if better else "")


def _score(found: Interval | None) -> Score:
    return Score(f"{found.value:.3f}", f"{found.low:.3f} to {found.high:.3f}") if found else Score("", "")


def _calibration(report: Evaluation) -> Calibration:
    bins, is_share = report.calibration, report.task.kind in ("binary", "multiclass")
    top = max(0.1, *(1.05 * max(each.mean_predicted, each.mean_observed) for each in bins))
    step = 0.1 if top > 0.4 else 0.05 if top > 0.2 else 0.02
    if top > 1.05:
        step = 10 ** math.floor(math.log10(top)) * (1 if top / 10 ** math.floor(math.log10(top)) > 3 else 0.5)
    ticks = [
        _point(i * step, i * step, top, f"{i * step:.2f}" if step < 1 else f"{i * step:g}")
        for i in range(int(top / step) + 1)
    ]
    return Calibration(ticks, [_point(each.mean_predicted, each.mean_observed, top) for each in bins], AXES[is_share])


def _point(x: float, y: float, top: float, label: str = "") -> Point:
    across, up = (PLOT_RIGHT - PLOT_LEFT) * x / top, (PLOT_BOTTOM - PLOT_TOP) * y / top
    return Point(round(PLOT_LEFT + across, 1), round(PLOT_BOTTOM - up, 1), label)


def _slices(report: Evaluation) -> Iterator[SliceGroup]:
    metric = report.task.type.of_slices[0]
    overall = report.metrics[metric].value
    for column, pieces in groupby(report.slices, key=lambda piece: piece.column):
        found = list(pieces)
        low, high = _scale(found, overall, metric)
        rows = [_slice(piece, low, high, report.task) for piece in found]
        yield SliceGroup(column.replace("_", " "), f"{low:.2f}", f"{high:.2f}", _percent(overall, low, high), rows)


def _scale(pieces: Sequence[SliceScore], overall: float, metric: MetricName) -> tuple[float, float]:
    found = [piece.intervals[metric] for piece in pieces if metric in piece.intervals]
    return min([overall, *(each.low for each in found)]), max([overall, *(each.high for each in found)])


def _slice(piece: SliceScore, low: float, high: float, task: Task) -> SliceRow:
    first, second = (piece.intervals.get(metric) for metric in task.type.of_slices[:2])
    return SliceRow(
        piece.value,
        piece.rows,
        _number(piece.mean_observed, task),
        _number(piece.mean_predicted, task),
        _score(first),
        _score(second),
        _band(first, low, high) if first else None,
    )


def _band(found: Interval, low: float, high: float) -> Band:
    left = _percent(found.low, low, high)
    return Band(left, round(_percent(found.high, low, high) - left, 1), _percent(found.value, low, high))


def _percent(value: float, low: float, high: float) -> float:
    return round(100 * (value - low) / (high - low), 1) if high > low else 50.0
