"""A judged model as a version of the registry.

Belongs here: what is written to the registry. Does not: the decision (`gate`), or promotion (`serving`).
"""

from ml_platform.tracking.registry import ModelRegistry, RegisteredModel
from ml_platform.tracking.runs import TrackedModel
from ml_platform.training.config import ModelConfig
from ml_platform.training.gate import GateDecision
from ml_platform.training.records import ModelVersion, TrainedModel


def register(
    registry: ModelRegistry,
    config: ModelConfig,
    model: TrainedModel,
    tracked: TrackedModel,
    champion: RegisteredModel | None,
    decision: GateDecision,
    dagster_run_id: str,
) -> ModelVersion:
    """The version of this model, which MLflow has as `tracked`, with the gate's word on it; the same model is the same
    version.
    """
    registered = registry.register(
        config.registered_as,
        run_id=tracked.run_id,
        model_uri=model.uri,
        sha256=model.sha256,
        as_of=model.as_of,
        fingerprint=model.fingerprint,
        gate="approved" if decision.approved else "refused",
        gate_reason=gate_reason(decision),
        mlflow_uri=tracked.mlflow_uri,
        snapshot=model.snapshot,
        tags={"dagster_run_id": dagster_run_id},
    )
    return ModelVersion(
        name=registered.name,
        version=registered.version,
        as_of=model.as_of,
        uri=model.uri,
        sha256=model.sha256,
        fingerprint=model.fingerprint,
        mlflow_run_id=tracked.run_id,
        champion_version=champion.version if champion else None,
        decision=decision,
    )


def gate_reason(decision: GateDecision) -> str:
    """One line: what failed, or that nothing did."""
    failed = [f"{each.check}: {each.detail}" for each in decision.reasons if not each.passed]
    return "; ".join(failed) or f"all {len(decision.reasons)} checks passed"
