"""What the records tell of a model: its promotion, its registered version with the gate's word, and its training.

Belongs here: reading records and the facts that a trace shows of them. Does not: MLflow, which takes seconds to import
and knows nothing of this that the records do not; nor the tables that a model was trained on (`trace_upstream`).
"""

import hashlib
from typing import Literal, NamedTuple, TypeVar

from pydantic import BaseModel, JsonValue

from ml_platform.errors import RegistryLogTamperedError
from ml_platform.serving.promotion import Promotion
from ml_platform.storage.io_managers import record_path
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.journal import WAITING, Journal
from ml_platform.tracking.registry_log import RegistryEvent, RegistryLog
from ml_platform.tracking.trainings import RESULT
from ml_platform.training.records import ModelVersion, TrainedModel

Record = TypeVar("Record", bound=BaseModel)


class Answering(NamedTuple):
    """The promotion record behind predictions: its as-of month, and whether it still names the model that predicted."""

    as_of: str
    promotion: Promotion
    is_same: bool


class Decisions(NamedTuple):
    """What was decided about one version, oldest first; `broken` says why the log cannot be believed."""

    version: int | None
    events: list[RegistryEvent]
    broken: str


class ModelRecords:
    """The records below one artifact store."""

    def __init__(self, artifacts: ObjectStore) -> None:
        """Read from `artifacts`."""
        self._artifacts = artifacts

    def read(self, kind: type[Record], asset: str, key: str) -> Record | None:
        """The record of one partition; None if there is none."""
        return self._parsed(kind, record_path(asset, key))

    def answering(self, asset: str, months: list[str], fingerprint: str) -> Answering | None:
        """The newest promotion of `months` whose champion has the fingerprint; else the newest of all, marked."""
        newest: Answering | None = None
        for month in sorted(months, reverse=True):
            found = self.read(Promotion, asset, month)
            if found and found.champion and found.champion.fingerprint == fingerprint:
                return Answering(month, found, is_same=True)
            newest = newest or (Answering(month, found, is_same=False) if found else None)
        return newest

    def trained(self, asset: str, as_of: str, fingerprint: str) -> TrainedModel | None:
        """The training with that fingerprint, also where the month has been trained again since."""
        record = self.read(TrainedModel, asset, as_of)
        if record and record.fingerprint == fingerprint:
            return record
        return self._parsed(TrainedModel, f"{_folder(asset)}/{fingerprint}/{RESULT}")

    def trainings(self, asset: str) -> list[TrainedModel]:
        """Every finished training of the asset, by as-of month; also those that another has taken the place of."""
        paths = [one.path for one in self._artifacts.list(_folder(asset)) if one.path.endswith(f"/{RESULT}")]
        found = [model for path in paths if (model := self._parsed(TrainedModel, path))]
        return sorted(found, key=lambda each: (each.as_of, each.fingerprint))

    def tracked(self, model: TrainedModel) -> TrainedModel:
        """The training with the MLflow run that it was given later, if MLflow was away when it was made."""
        if not model.mlflow_run_id.startswith(WAITING):
            return model
        journal = Journal.below(self._artifacts)
        receipt = journal.receipt(journal.run_of(model.mlflow_run_id))
        return model.model_copy(update={"mlflow_run_id": receipt.run_id}) if receipt else model

    def decisions(self, model: str, fingerprint: str) -> Decisions:
        """What the registry's log tells of the version with that fingerprint; the head in MLflow is not looked at."""
        try:
            events = RegistryLog(self._artifacts.below("registry"), model).events()
        except RegistryLogTamperedError as error:
            return Decisions(None, [], str(error))
        versions = [each.version for each in events if each.facts and each.facts.fingerprint == fingerprint]
        version = versions[-1] if versions else None
        return Decisions(version, [each for each in events if each.version == version], "")

    def bytes_now(self, model: TrainedModel) -> Literal["unchanged", "changed", "gone", "elsewhere"]:
        """Whether the model's bytes are those that were recorded."""
        root = self._artifacts.uri_of("x").removesuffix("x")
        plain = model.uri.removeprefix("file://")
        path = plain.removeprefix(root.removeprefix("file://"))
        if path == plain:
            return "elsewhere"
        try:
            return "unchanged" if hashlib.sha256(self._artifacts.read(path)).hexdigest() == model.sha256 else "changed"
        except FileNotFoundError:
            return "gone"

    def _parsed(self, kind: type[Record], path: str) -> Record | None:
        try:
            return kind.model_validate_json(self._artifacts.read(path))
        except FileNotFoundError:
            return None


def promotion_facts(answering: Answering, fingerprint: str) -> dict[str, JsonValue]:
    """What happened at the as-of month."""
    promotion = answering.promotion
    champion = promotion.champion
    facts: dict[str, JsonValue] = {
        "model": promotion.candidate.name,
        "outcome": "promoted" if promotion.is_promoted else promotion.outcome,
        "reason": promotion.reason,
        "champion_version": champion.version if champion else None,
    }
    if not answering.is_same:
        facts["now"] = f"The record names another champion now than the one that predicted, {fingerprint[:12]}."
    return facts


def version_facts(version: ModelVersion) -> dict[str, JsonValue]:
    """The registered version and every word of the gate."""
    return {
        "model": version.name,
        "version": version.version,
        "gate": "approved" if version.decision.approved else "refused",
        "reasons": [
            {"check": each.check, "passed": each.passed, "detail": each.detail} for each in version.decision.reasons
        ],
        "compared_with_version": version.champion_version,
    }


def decision_facts(decisions: Decisions) -> dict[str, JsonValue]:
    """Who decided what about the version, when and why."""
    if not decisions.events:
        return {}
    told: list[JsonValue] = [
        {
            "at": each.at.isoformat(timespec="seconds"),
            "action": each.action,
            "by": each.by,
            "reason": each.reason,
        }
        for each in decisions.events
    ]
    return {"version": decisions.version, "decisions": told}


def training_facts(model: TrainedModel, bytes_now: str) -> dict[str, JsonValue]:
    """What the model follows from, and whether its bytes are still there."""
    snapshot: list[JsonValue] = [each.model_dump(mode="json") for each in (model.inputs.features, model.inputs.labels)]
    return {
        "as_of": model.as_of.isoformat(),
        "fingerprint": model.fingerprint,
        "sha256": model.sha256,
        "bytes_now": bytes_now,
        "uri": model.uri,
        "mlflow_run_id": model.mlflow_run_id,
        "checkout": str(model.origin.checkout) if model.origin else None,
        "trainer": model.trainer,
        "parameters": dict(model.parameters),
        "iterations": model.iterations,
        "rows": {str(name): rows for name, rows in model.rows.items()},
        "snapshot": snapshot,
    }


def _folder(asset: str) -> str:
    use_case, _, name = asset.rpartition("/")
    return f"training/{use_case}/{name.removesuffix('_model')}"
