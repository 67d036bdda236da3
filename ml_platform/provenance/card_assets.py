"""Model cards and data sheets as assets: written after promotion, kept with the artifacts and with the MLflow run.

Belongs here: Dagster's view of them. Does not: what they say (`card_facts`, `sheet_facts`), or how they look (`pages`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.components.tables import BACKFILL_IN_ONE_RUN
from ml_platform.errors import TableNotFoundError
from ml_platform.provenance.card import ModelCard, card_path
from ml_platform.provenance.card_facts import model_card
from ml_platform.provenance.catalog import Catalog
from ml_platform.provenance.evidence import Evidence
from ml_platform.provenance.pages import TILES, card_page, label_of, sheet_page
from ml_platform.provenance.sheet import DataSheet, sheet_path
from ml_platform.provenance.sheet_facts import data_sheet
from ml_platform.provenance.trace_history import RunHistory
from ml_platform.storage.io_managers import RECORD_TYPE
from ml_platform.training.config import ModelConfig

RESOURCES = {"tables", "tracking"}
PAGE_IN_MLFLOW = "model_card.html"


class DataSheets(BaseModel):
    """The data sheets of a use case's tables."""

    model_config = ConfigDict(frozen=True)

    sheets: tuple[DataSheet, ...] = Field(description="The tables that are published.")
    unpublished: tuple[str, ...] = Field(description="Tables that were never published, and have no sheet yet.")


def card_asset(catalog: Catalog, config: ModelConfig) -> dg.AssetsDefinition:
    """`<use case>/<name>_model_card`: the card of the version that was registered for each as-of month."""
    use_case = catalog.use_case
    deps = [use_case.key(f"{config.name}_model_version")]
    if catalog.deployment is not None:
        deps.append(use_case.key(catalog.deployment.champion.name))

    @dg.asset(
        key=use_case.key(f"{config.name}_model_card"),
        retry_policy=use_case.retries(),
        description=f"What there is to say of the month's version of {config.registered_as}: use, limits, data, "
        "scores, lineage and decisions, as a page.",
        deps=deps,
        partitions_def=use_case.by_as_of_month,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        io_manager_key="records",
        group_name=f"{use_case.name}_provenance",
        kinds={"html", "json"},
        owners=use_case.owners,
        metadata={RECORD_TYPE: f"{ModelCard.__module__}:{ModelCard.__name__}"},
        required_resource_keys=RESOURCES,
    )
    def card(context: dg.AssetExecutionContext) -> object:
        evidence = _evidence(context, catalog)
        cards = {month: _card_of_month(evidence, config, month) for month in sorted(context.partition_keys)}
        for month, each in cards.items():
            context.add_asset_metadata(publish_card(evidence, each), partition_key=month)
        return cards if len(cards) > 1 else next(iter(cards.values()))

    return card


def sheets_asset(catalog: Catalog) -> dg.AssetsDefinition:
    """`<use case>/data_sheets`: what there is to say of each table, as a page each."""
    use_case = catalog.use_case

    @dg.asset(
        key=use_case.key("data_sheets"),
        retry_policy=use_case.retries(),
        description="What there is to say of each table: grain, columns, source, licence, missing values, checks and "
        "quarantine, as a page each.",
        deps=[dg.AssetKey(name.split("/")) for name in catalog.tables],
        io_manager_key="records",
        group_name=f"{use_case.name}_provenance",
        kinds={"html", "json"},
        owners=use_case.owners,
        metadata={RECORD_TYPE: f"{DataSheets.__module__}:{DataSheets.__name__}"},
        required_resource_keys=RESOURCES,
    )
    def sheets(context: dg.AssetExecutionContext) -> DataSheets:
        evidence = _evidence(context, catalog)
        found: list[DataSheet] = []
        unpublished: list[str] = []
        for name in catalog.tables:
            try:
                found.append(data_sheet(evidence, name))
            except TableNotFoundError:
                unpublished.append(name)
        pages = {sheet.table: publish_sheet(evidence, sheet) for sheet in found}
        context.add_output_metadata({"pages": _pages(found, pages), "unpublished": unpublished})
        return DataSheets(sheets=tuple(found), unpublished=tuple(unpublished))

    return sheets


def publish_card(evidence: Evidence, card: ModelCard) -> dict[str, dg.MetadataValue[Any]]:
    """Metadata that leads to the card, which is kept as page and data: with the artifacts, and in the MLflow run."""
    page = card_page(card).encode()
    evidence.artifacts.write(card_path(card.name, card.version, "html"), page)
    evidence.artifacts.write(card_path(card.name, card.version, "json"), card.model_dump_json().encode())
    run_id = card.lineage.mlflow_run_id
    evidence.tracking.record(run_id, artifacts={PAGE_IN_MLFLOW: page})
    return {
        "card": dg.MetadataValue.md(_in_short(card)),
        "page": dg.MetadataValue.path(evidence.artifacts.uri_of(card_path(card.name, card.version, "html"))),
        "page_in_mlflow": dg.MetadataValue.url(f"{evidence.tracking.run_url(run_id)}/artifacts/{PAGE_IN_MLFLOW}"),
        "version": dg.MetadataValue.int(card.version),
        "standing": dg.MetadataValue.text(card.standing),
    }


def publish_sheet(evidence: Evidence, sheet: DataSheet) -> str:
    """Where the page of the sheet is kept."""
    evidence.artifacts.write(sheet_path(sheet.table, "html"), sheet_page(sheet).encode())
    evidence.artifacts.write(sheet_path(sheet.table, "json"), sheet.model_dump_json().encode())
    return evidence.artifacts.uri_of(sheet_path(sheet.table, "html"))


def _evidence(context: dg.AssetExecutionContext, catalog: Catalog) -> Evidence:
    location = context.resources.tables.location
    history = RunHistory(context.instance)
    tracking = context.resources.tracking
    return Evidence([catalog], location.tables(), location.artifacts(), tracking, context.instance, history)


def _card_of_month(evidence: Evidence, config: ModelConfig, month: str) -> ModelCard:
    version = evidence.tracking.registry.as_of(config.registered_as, dt.date.fromisoformat(month)).version
    return model_card(evidence, config.registered_as, version)


def _in_short(card: ModelCard) -> str:
    """The first screen of the card, in Markdown."""
    shown = card.shown
    scores = "\n".join(
        f"| {label_of(metric, shown.task)} | {shown.metrics[metric]} |" for metric in TILES[shown.task.kind]
    )
    window = f"{shown.first_day} to {shown.last_day}, {shown.rows:,} rows"
    limits = "\n".join(f"- {each}" for each in card.use.limits)
    return (
        f"**{card.name}, version {card.version}**: {card.standing}\n\n{card.description}\n\n"
        f"| {window} | 95 % interval |\n| --- | --- |\n{scores}\n\n"
        f"**Intended use.** {card.use.intended_use}\n\n**Known limits**\n\n{limits}"
    )


def _pages(sheets: Sequence[DataSheet], pages: Mapping[str, str]) -> dg.TableMetadataValue:
    records = [
        dg.TableRecord(
            {
                "table": sheet.table,
                "rows": sheet.rows,
                "quarantined": sheet.refused,
                "checks failed": sum(not check.passed for check in sheet.checks),
                "personal columns": ", ".join(each.column.name for each in sheet.personal),
                "page": pages[sheet.table],
            }
        )
        for sheet in sheets
    ]
    return dg.MetadataValue.table(records)
