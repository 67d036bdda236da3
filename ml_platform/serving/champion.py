"""The asset that carries out the gate's word, month by month."""

import datetime as dt
from typing import Any

import dagster as dg

from ml_platform.components.use_case import UseCase
from ml_platform.serving.component import ChampionRecord
from ml_platform.serving.promotion import Promotion, promote_if_approved
from ml_platform.serving.tables import BACKFILL_IN_ONE_RUN
from ml_platform.storage.io_managers import RECORD_TYPE
from ml_platform.tracking.resource import MlflowTracking


def champion_asset(use_case: UseCase, record: ChampionRecord) -> dg.AssetsDefinition:
    """One promotion record for each as-of month."""
    key = use_case.key(record.name)

    @dg.asset(
        key=key,
        description=record.description,
        deps=[use_case.key(record.model_version)],
        partitions_def=use_case.by_as_of_month,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        io_manager_key="records",
        group_name=f"{use_case.name}_serving",
        kinds={"mlflow", "json"},
        owners=use_case.owners,
        metadata={RECORD_TYPE: "ml_platform.serving.promotion:Promotion"},
    )
    def champion(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> Any:
        registry = tracking.registry
        promotions = {
            month: promote_if_approved(registry, record.registered_model, dt.date.fromisoformat(month))
            for month in sorted(context.partition_keys)
        }
        for month, promotion in promotions.items():
            context.add_asset_metadata(promotion_metadata(promotion, tracking), partition_key=month)
        return promotions if len(promotions) > 1 else next(iter(promotions.values()))

    return champion


def promotion_metadata(promotion: Promotion, tracking: MlflowTracking) -> dict[str, dg.MetadataValue[Any]]:
    """What the UI shows of a promotion."""
    champion = promotion.champion
    told = f"version {champion.version}, as of {champion.as_of}" if champion else "none yet"
    return {
        "promoted": dg.MetadataValue.bool(promotion.is_promoted),
        "reason": dg.MetadataValue.text(promotion.reason),
        "candidate_version": dg.MetadataValue.int(promotion.candidate.version),
        "champion": dg.MetadataValue.text(told),
        **(tracking.metadata(promotion.candidate.run_id) if promotion.candidate.run_id else {}),
    }
