"""A version as MLflow's registry keeps it: making it, which gives it its number, and its tags.

Belongs here: translation between MLflow's tags and the platform's records. Does not: what is decided (`registry`).
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence

from ml_platform.tracking.mirror import MirroredVersion, mirror_of
from ml_platform.tracking.registry_log import Action, Entry, ModelFacts, RegistryEvent
from ml_platform.tracking.standing import RegisteredModel

_BEFORE_THE_LOG = "was there before the log was begun"


def made(tracking_uri: str, name: str, facts: ModelFacts, mlflow_uri: str, tags: Mapping[str, str]) -> int:
    """Number of the version with this fingerprint, made unless MLflow has it; one process of a machine at a time."""
    from ml_platform.tracking._client import client, exclusively

    store = client(tracking_uri)
    with exclusively(tracking_uri):
        for each in mirror_of(tracking_uri).versions(name):
            if each.tags.get("fingerprint") == facts.fingerprint:
                return each.version
        _ensure_model(tracking_uri, name)
        model_id = mlflow_uri.removeprefix("models:/") or None
        # MLflow resolves a models: URI against its global store, so the place itself is given
        source = store.get_logged_model(model_id).artifact_location if model_id else facts.uri
        version = store.create_model_version(
            name, source, run_id=facts.run_id, tags={**tags, **as_tags(facts)}, model_id=model_id
        )
    return int(version.version)


def as_tags(facts: ModelFacts) -> dict[str, str]:
    """The facts as MLflow keeps them."""
    return {
        "as_of": facts.as_of.isoformat(),
        "uri": facts.uri,
        "sha256": facts.sha256,
        "fingerprint": facts.fingerprint,
        "snapshot": json.dumps(dict(facts.snapshot), sort_keys=True),
    }


def facts_of(version: MirroredVersion) -> ModelFacts | None:
    """The facts that MLflow keeps of a version; null for one that the platform did not make."""
    tags = version.tags
    if not {"as_of", "uri", "sha256", "fingerprint"} <= tags.keys():
        return None
    kept = {name: tags[name] for name in ("as_of", "uri", "sha256", "fingerprint")}
    snapshot = json.loads(tags.get("snapshot", "{}"))
    return ModelFacts.model_validate({**kept, "run_id": version.run_id, "snapshot": snapshot})


def as_events(name: str, versions: Sequence[MirroredVersion]) -> list[RegistryEvent]:
    """The log that versions which MLflow had before would have."""
    entries: list[Entry] = []
    for each in versions:
        facts = facts_of(each)
        if facts is None:
            continue
        entries.append(Entry(each.version, "registered", "MLflow", _BEFORE_THE_LOG, facts))
        if each.tags.get("gate") in ("approved", "refused"):
            action: Action = "gate_approved" if each.tags["gate"] == "approved" else "gate_refused"
            entries.append(Entry(each.version, action, "MLflow", each.tags.get("gate_reason", "")))
        if each.tags.get("is_promoted") == "true":
            entries.append(Entry(each.version, "promoted", "MLflow", _BEFORE_THE_LOG))
    return [_unwritten(name, sequence, entry) for sequence, entry in enumerate(entries, start=1)]


def _unwritten(name: str, sequence: int, entry: Entry) -> RegistryEvent:
    at = dt.datetime.fromtimestamp(0, dt.UTC)
    return RegistryEvent(sequence=sequence, id="", at=at, model=name, previous_sha256="", sha256="", **entry._asdict())


def shown_tags(model: RegisteredModel) -> dict[str, str]:
    """What MLflow shows of where a version stands."""
    return {
        "gate": model.gate,
        "gate_reason": model.gate_reason,
        "approval": model.approval,
        "approval_by": model.approval_by,
        "is_promoted": str(model.is_promoted).lower(),
        "rolled_back": model.rolled_back,
    }


def _ensure_model(tracking_uri: str, name: str) -> None:
    from mlflow.exceptions import MlflowException

    from ml_platform.tracking._client import client

    try:
        client(tracking_uri).create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
