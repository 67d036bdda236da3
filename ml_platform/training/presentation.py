"""Records as Dagster metadata: what a reader of the UI sees.

Belongs here: tables, numbers and pictures made of records. Does not: computing anything.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from ml_platform.training.evaluation import BaselineScore, Evaluation
from ml_platform.training.gate import GateDecision, Reason
from ml_platform.training.metrics import MetricName
from ml_platform.training.plots import search_plot
from ml_platform.training.records import ModelEvaluation, ModelVersion, TrainedModel
from ml_platform.training.slices import SliceScore

Metadata = dict[str, dg.MetadataValue[Any]]


def model_metadata(model: TrainedModel) -> Metadata:
    """What a model was made of: windows, the winner, every trial, and where its bytes are."""
    scored = [(-t.iterations, t.validation_log_loss) for t in model.trials if t.validation_log_loss is not None]
    return {
        "fit_rows": dg.MetadataValue.int(model.rows["fit"]),
        "holdout_rows": dg.MetadataValue.int(model.rows["holdout"]),
        "fit_ends_at": dg.MetadataValue.text(model.windows.holdout_start_at.isoformat()),
        "features": dg.MetadataValue.int(len(model.features)),
        "validation_log_loss": dg.MetadataValue.float(min(scored)[1]),
        "parameters": dg.MetadataValue.json(model.parameters),
        "trials": _table([trial.model_dump(mode="json", exclude={"parameters"}) for trial in model.trials]),
        "search": picture("search", search_plot(model.trials)),
        "table_versions": dg.MetadataValue.json(
            {each.table: each.version for each in (model.inputs.features, model.inputs.labels)}
        ),
        "fingerprint": dg.MetadataValue.text(model.fingerprint),
        "model_sha256": dg.MetadataValue.text(model.sha256),
        "model_uri": dg.MetadataValue.text(model.uri),
    }


def evaluation_metadata(report: ModelEvaluation, pictures: Mapping[str, bytes]) -> Metadata:
    """The test month first if it is there, then the holdout, then pictures."""
    shown = [each for each in (report.test, report.holdout) if each is not None]
    metadata: Metadata = {}
    for each in shown:
        metadata |= _scores(each)
    return metadata | {name: picture(name, png) for name, png in pictures.items()}


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


def _scores(report: Evaluation) -> Metadata:
    window = report.window
    values = {f"{window}_{name}": dg.MetadataValue.float(found.value) for name, found in report.metrics.items()}
    return {
        f"{window}_rows": dg.MetadataValue.int(report.rows),
        f"{window}_days": dg.MetadataValue.text(f"{report.days}, {report.first_day} to {report.last_day}"),
        f"{window}_scores": dg.MetadataValue.md(
            "\n".join(f"- {name} {found}" for name, found in report.metrics.items())
        ),
        **values,
        f"{window}_baselines": _table([_baseline(each) for each in report.baselines]),
        f"{window}_slices": _table([_slice(each) for each in report.slices]),
    }


def _baseline(baseline: BaselineScore) -> dict[str, str]:
    advantages = {f"{name} advantage": str(found) for name, found in baseline.advantage.items()}
    return {"baseline": baseline.name, **_rounded(baseline.metrics), **advantages}


def _slice(piece: SliceScore) -> dict[str, Any]:
    rates = {"rate": f"{piece.positive_rate:.3f}", "mean score": f"{piece.mean_score:.3f}"}
    return {"slice": f"{piece.column} {piece.value}", "rows": piece.rows, **rates, **_rounded(piece.metrics)}


def _rounded(metrics: Mapping[MetricName, float] | Mapping[MetricName, float | None]) -> dict[str, str]:
    return {name: "" if value is None else f"{value:.3f}" for name, value in metrics.items()}


def _reasons(decision: GateDecision) -> str:
    return "\n".join(f"- {'✔' if each.passed else '✘'} **{each.check}** {each.detail}" for each in decision.reasons)


def _table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue[Any]:
    records = [dg.TableRecord({name: "" if value is None else value for name, value in row.items()}) for row in rows]
    columns = [dg.TableColumn(name) for name in (rows[0] if rows else {})]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=columns))


def mlflow_metrics(report: ModelEvaluation) -> dict[str, float]:
    """Every score of both windows with the ends of its interval, as MLflow keeps them: flat."""
    shown = [each for each in (report.holdout, report.test) if each is not None]
    scores = {f"{each.window}_{name}": found for each in shown for name, found in each.metrics.items()}
    ends = {f"{name}_{end}": getattr(found, end) for name, found in scores.items() for end in ("low", "high")}
    return {name: found.value for name, found in scores.items()} | ends
