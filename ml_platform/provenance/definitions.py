"""What is told of results: assembly of the part that the location `operations` has from here."""

import warnings
from collections.abc import Iterator

import dagster as dg

from ml_platform.components.use_case import UseCase
from ml_platform.provenance.card_assets import card_asset, sheets_asset
from ml_platform.provenance.catalog import SERVED, Catalog, Table, read_catalogs
from ml_platform.provenance.score_assets import reproduction_asset, score_asset
from ml_platform.serving.tables import days_with_a_model
from ml_platform.settings import Settings
from ml_platform.storage.resources import storage_resources
from ml_platform.tracking.resource import MlflowTracking


def build_definitions(settings: Settings) -> dg.Definitions:
    """The model cards, scores, reproductions and data sheets of all use cases.

    Raises:
        DefinitionError: a declaration is wrong, or a report would show a personal column.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # what a single-run backfill is to Dagster
        found = [definitions for catalog in read_catalogs() for definitions in _of(catalog)]
    return dg.Definitions.merge(
        *found,
        dg.Definitions(
            resources={**storage_resources(settings), "tracking": MlflowTracking.from_settings(settings)},
            executor=dg.in_process_executor,
        ),
    )


def _of(catalog: Catalog) -> Iterator[dg.Definitions]:
    """The assets of one use case, the assets of other locations that they follow, and their jobs."""
    catalog.require_no_personal_slices()
    catalog.require_known_baseline()
    catalog.require_tables_by_day()
    use_case = catalog.use_case
    for config in catalog.models:
        cards = card_asset(catalog, config)
        upstream = [dg.AssetSpec(key, partitions_def=use_case.by_as_of_month) for key in cards.asset_deps[cards.key]]
        scores, again = score_asset(catalog, config), reproduction_asset(catalog, config)
        version = f"the version of {config.registered_as} for an as-of month"
        jobs = [
            dg.define_asset_job(name, dg.AssetSelection.assets(asset), description=f"{what} {version}.")
            for name, asset, what in (
                (f"write_{use_case.name}_{config.name}_card", cards, "Writes the card of"),
                (f"score_{use_case.name}_{config.name}", scores, "Computes the ML Test Score of"),
                (f"reproduce_{use_case.name}_{config.name}", again, "Makes again, and compares,"),
            )
        ]
        yield dg.Definitions(assets=[cards, scores, again, *upstream], jobs=jobs)
    if catalog.tables:
        sheets = sheets_asset(catalog)
        tables = [
            dg.AssetSpec(dg.AssetKey(name.split("/")), partitions_def=_partitions(use_case, table))
            for name, table in catalog.tables.items()
        ]
        job = dg.define_asset_job(
            f"write_{use_case.name}_data_sheets",
            dg.AssetSelection.assets(sheets),
            description="Writes the data sheet of each table that is published.",
        )
        yield dg.Definitions(assets=[sheets, *tables], jobs=[job])


def _partitions(use_case: UseCase, table: Table) -> dg.PartitionsDefinition | None:
    """The partitions of a table, as its own location has them."""
    return days_with_a_model(use_case) if table.kind in SERVED else use_case.partitions(table.by)
