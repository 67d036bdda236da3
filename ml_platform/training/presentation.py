"""Records as Dagster metadata: what a reader of the UI sees.

Belongs here: tables, numbers and pictures made of records. Does not: computing anything.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from ml_platform.evaluation.task import MetricName
from ml_platform.training.evaluation import Evaluation
from ml_platform.training.gate import GateDecision, Reason
from ml_platform.training.plots import search_plot
from ml_platform.training.records import ModelEvaluation, ModelVersion, TableRead, TrainedModel
from ml_platform.training.search import TrialOutcome
from ml_platform.training.slices import SliceScore
from ml_platform.training.trainers import ParameterValue

Metadata = dict[str, dg.MetadataValue[Any]]


def model_metadata(model: TrainedModel, *, is_reused: bool) -> Metadata:
    """What a model was made of: windows, the winner, every trial, where its bytes are, whether it was found made."""
    scored = [(-t.iterations, t.validation_loss) for t in model.trials if t.validation_loss is not None]
    loss = model.task.type.loss
    return {
        f"validation_{loss}": _number(min(scored)[1]),
        "fit_rows": dg.MetadataValue.int(model.rows["fit"]),
        "holdout_rows": dg.MetadataValue.int(model.rows["holdout"]),
        "fit_ends_at": dg.MetadataValue.timestamp(model.windows.holdout_start_at),
        "features": dg.MetadataValue.int(len(model.features)),
        "parameters": dg.MetadataValue.json({name: _short(value) for name, value in model.parameters.items()}),
        "trials": _table(_trial(each, loss) for each in sorted(model.trials, key=lambda t: (t.number, t.iterations))),
        "search": picture("search", search_plot(model.trials, loss)),
        "read_versions": dg.MetadataValue.json(model.snapshot),
        **({"intervals_widened_by": _number(model.widened_by)} if model.task.kind == "forecast" else {}),
        **_degraded(model),
        **_origin(model, is_reused),
        **_resumption(model),
        "fingerprint": dg.MetadataValue.text(model.fingerprint),
        "model_sha256": dg.MetadataValue.text(model.sha256),
        "model_uri": dg.MetadataValue.text(model.uri),
    }


def evaluation_metadata(report: ModelEvaluation, pictures: Mapping[str, bytes]) -> Metadata:
    """Scores of the test month if it is there, then of the holdout, then pictures, then the long tables of slices."""
    shown = [each for each in (report.test, report.holdout) if each is not None]
    metadata: Metadata = {}
    for each in shown:
        metadata |= _scores(each)
    metadata |= {name: picture(name, png) for name, png in pictures.items()}
    if report.tested_on is not None:
        read = (report.tested_on.features, report.tested_on.labels)
        metadata["read_versions"] = dg.MetadataValue.json({each.table: each.version for each in read})
    return metadata | {f"{each.window}_slices": _table(map(_slice, each.slices)) for each in shown}


def version_metadata(version: ModelVersion) -> Metadata:
    """The registered version and every reason of the gate."""
    return {
        "version": dg.MetadataValue.int(version.version),
        "approved": dg.MetadataValue.bool(version.decision.approved),
        "reasons": dg.MetadataValue.md(_reasons(version.decision)),
        "compared_with_version": dg.MetadataValue.text(str(version.champion_version or "no champion yet")),
        "model_sha256": dg.MetadataValue.text(version.sha256),
        "fingerprint": dg.MetadataValue.text(version.fingerprint),
    }


def check_result(reason: Reason, asset_key: dg.AssetKey, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    """One check of the gate as Dagster shows it."""
    return dg.AssetCheckResult(
        passed=reason.passed,
        asset_key=asset_key,
        check_name=reason.check,
        severity=severity,
        description=reason.detail,
        metadata={"detail": reason.detail},
    )


def picture(name: str, png: bytes) -> dg.MetadataValue[Any]:
    """A PNG inside the metadata itself, so that it is there wherever the event log is."""
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")


def _origin(model: TrainedModel, is_reused: bool) -> Metadata:
    """Where it was made, and whether this run made it or found it: by the same fingerprint."""
    if model.origin is None:
        return {"reused": dg.MetadataValue.bool(is_reused)}
    run = dg.MetadataValue.dagster_run(model.origin.dagster_run_id)
    return {
        "reused": dg.MetadataValue.bool(is_reused),
        **({"reused_from": run} if is_reused else {}),
        "code_from": dg.MetadataValue.text(str(model.origin.checkout)),
    }


def _degraded(model: TrainedModel) -> Metadata:
    """Degraded days, where there were any: those that were left out, and those that were read all the same."""
    left_out = {each.table: [each.left_out_rows, *each.left_out_days] for each in _read(model) if each.left_out_days}
    days = model.inputs.degraded_days
    return {
        **({"degraded_rows_and_days_left_out": dg.MetadataValue.json(left_out)} if left_out else {}),
        **({"degraded_days_read": dg.MetadataValue.json(list(days))} if days else {}),
    }


def _read(model: TrainedModel) -> tuple[TableRead, ...]:
    return (model.inputs.features, model.inputs.labels)


def _resumption(model: TrainedModel) -> Metadata:
    """What attempts before had done already, and which checkpoints were of no use."""
    known = model.resumption
    if known is None:
        return {}
    lost = {"checkpoints_skipped": known.skipped_checkpoints, "checkpoints_not_saved": known.unsaved_checkpoints}
    return {
        "resumed_from_iteration": dg.MetadataValue.int(known.from_iteration),
        "trials_found_again": dg.MetadataValue.int(known.trials_found),
        "trials_run": dg.MetadataValue.int(known.trials_run),
        **{name: dg.MetadataValue.text(", ".join(map(str, steps))) for name, steps in lost.items() if steps},
    }


def _scores(report: Evaluation) -> Metadata:
    window = report.window
    return {
        f"{window}_days": dg.MetadataValue.text(f"{report.days}, {report.first_day} to {report.last_day}"),
        f"{window}_rows": dg.MetadataValue.int(report.rows),
        f"{window}_scores": _table(_score(name, report) for name in report.metrics),
        f"{window}_advantage": _table(_advantage(name, report) for name in report.task.type.compared),
        **{f"{window}_{name}": _number(found.value) for name, found in report.metrics.items()},
    }


def _score(name: MetricName, report: Evaluation) -> dict[str, str]:
    found = report.metrics[name]
    baselines = {each.name: f"{each.metrics[name]:.3f}" for each in report.baselines}
    return {
        "score": name,
        "model": f"{found.value:.3f}",
        "95 % interval": f"{found.low:.3f}\u00a0to\u00a0{found.high:.3f}",  # the UI breaks lines at other spaces
        **baselines,
    }


def _advantage(name: MetricName, report: Evaluation) -> dict[str, str]:
    """By how much the model is better than each baseline, whichever direction of the score is better."""
    return {"score": name, **{f"better than {each.name} by": str(each.advantage[name]) for each in report.baselines}}


def _trial(trial: TrialOutcome, loss: MetricName) -> dict[str, Any]:
    lost = trial.validation_loss
    return {
        "trial": trial.number,
        "iterations": trial.iterations,
        f"validation_{loss}": f"failed: {trial.failure}" if lost is None else f"{lost:.4f}",
        "seconds": f"{trial.seconds:.1f}",
        **{name: str(_short(value)) for name, value in trial.parameters.items()},
    }


def _number(value: float) -> dg.MetadataValue[Any]:
    """Four digits are what a reader compares; all of them are in the record and in MLflow."""
    return dg.MetadataValue.float(round(value, 4))


def _short(value: ParameterValue) -> ParameterValue:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _slice(piece: SliceScore) -> dict[str, Any]:
    rates = {"rate": f"{piece.mean_observed:.3f}", "mean score": f"{piece.mean_predicted:.3f}"}
    return {"slice": f"{piece.column} {piece.value}", "rows": piece.rows, **rates, **_rounded(piece.metrics)}


def _rounded(metrics: Mapping[MetricName, float] | Mapping[MetricName, float | None]) -> dict[str, str]:
    return {name: "" if value is None else f"{value:.3f}" for name, value in metrics.items()}


def _reasons(decision: GateDecision) -> str:
    return "\n".join(f"- {'✔' if each.passed else '✘'} **{each.check}** {each.detail}" for each in decision.reasons)


def _table(rows: Iterable[Mapping[str, Any]]) -> dg.MetadataValue[Any]:
    """One column for each name that any row has; a row without it is blank there, since all must have the same."""
    known = list(rows)
    names = list(dict.fromkeys(name for row in known for name in row))
    records = [dg.TableRecord({name: row.get(name, "") for name in names}) for row in known]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in names]))


def mlflow_metrics(report: ModelEvaluation) -> dict[str, float]:
    """Every score of both windows with the ends of its interval, as MLflow keeps them: flat."""
    shown = [each for each in (report.holdout, report.test) if each is not None]
    scores = {f"{each.window}_{name}": found for each in shown for name, found in each.metrics.items()}
    ends = {f"{name}_{end}": getattr(found, end) for name, found in scores.items() for end in ("low", "high")}
    return {name: found.value for name, found in scores.items()} | ends
