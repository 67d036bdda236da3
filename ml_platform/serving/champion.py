"""The asset that carries out what the gate and people said, month by month."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from ml_platform.components.use_case import UseCase
from ml_platform.execution.pools import MLFLOW
from ml_platform.lineage.code import project_fingerprint
from ml_platform.serving.component import ChampionRecord
from ml_platform.serving.presentation import promotion_metadata
from ml_platform.serving.promotion import Promotion, promote_if_approved
from ml_platform.serving.tables import BACKFILL_IN_ONE_RUN
from ml_platform.serving.trials import TrialLimits, carry_out, tried
from ml_platform.storage.io_managers import RECORD_TYPE
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.registry import ModelRegistry
from ml_platform.tracking.resource import MlflowTracking

NO_VERSION_IS_WAITING = "no_version_waits_for_approval"
Events = Iterator[dg.Output[Any] | dg.AssetCheckResult]


def champion_asset(use_case: UseCase, record: ChampionRecord) -> dg.AssetsDefinition:
    """One promotion record for each as-of month; where approval is required, a check tells that a version waits."""
    key = use_case.key(record.name)
    waiting = dg.AssetCheckSpec(
        NO_VERSION_IS_WAITING, asset=key, description="A person, or a trial on requests, has decided on each version."
    )

    @dg.asset(
        key=key,
        retry_policy=use_case.retries("guarded", "a version that is promoted is found promoted"),
        pool=MLFLOW,
        description=record.description,
        deps=[use_case.key(record.model_version)],
        partitions_def=use_case.by_as_of_month,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        io_manager_key="records",
        group_name=f"{use_case.name}_serving",
        kinds={"mlflow", "json"},
        owners=use_case.owners,
        metadata={RECORD_TYPE: "ml_platform.serving.promotion:Promotion"},
        code_version=project_fingerprint(promote_if_approved)[:16],
        check_specs=[waiting] if record.waits else [],
    )
    def champion(
        context: dg.AssetExecutionContext, tracking: MlflowTracking, artifacts: dg.ResourceParam[ObjectStore]
    ) -> Events:
        registry, run = tracking.registry, f"run {context.run.run_id}"
        promotions = {
            month: promote_if_approved(
                registry,
                record.registered_model,
                dt.date.fromisoformat(month),
                requires_approval=_must_wait(registry, artifacts, record, month),
                by=run,
            )
            for month in sorted(context.partition_keys)
        }
        log = registry.log(record.registered_model)
        for month, promotion in promotions.items():
            links = tracking.metadata(promotion.candidate.run_id) if promotion.candidate.run_id else {}
            context.add_asset_metadata({**promotion_metadata(promotion, log), **links}, partition_key=month)
        if record.waits:
            yield _waiting_check(key, promotions)
        yield dg.Output(promotions if len(promotions) > 1 else next(iter(promotions.values())))

    return champion


def _must_wait(registry: ModelRegistry, artifacts: ObjectStore, record: ChampionRecord, month: str) -> bool:
    """Whether the month's version waits for somebody's word, once that of its trial on requests is in the log."""
    if record.trial is None:
        return record.requires_approval
    limits = TrialLimits.model_validate(record.trial.model_dump())
    stands = tried(registry, artifacts, record.registered_model, dt.date.fromisoformat(month), limits)
    if stands.report:
        carry_out(registry, record.registered_model, stands.report, a_person_approves=record.requires_approval)
    return record.requires_approval or stands.must_be


def _waiting_check(key: dg.AssetKey, promotions: Mapping[str, Promotion]) -> dg.AssetCheckResult:
    waiting = {month: each.reason for month, each in promotions.items() if each.outcome == "waiting"}
    return dg.AssetCheckResult(
        passed=not waiting,
        asset_key=key,
        check_name=NO_VERSION_IS_WAITING,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=waiting,
    )
