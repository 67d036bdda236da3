"""The score of each month's version, and its reproduction, as assets.

Belongs here: Dagster's view of both. Does not: what earns points (`score_rubric`), or making again (`reproduce`).
"""

import datetime as dt
from typing import Any

import dagster as dg

from ml_platform.components.tables import BACKFILL_IN_ONE_RUN
from ml_platform.errors import ReproductionError
from ml_platform.provenance.catalog import Catalog
from ml_platform.provenance.evidence import Evidence
from ml_platform.provenance.recorded_reproduction import keep_reproduction
from ml_platform.provenance.reproduce import Declared, reproduce
from ml_platform.provenance.reproduction import Reproduction
from ml_platform.provenance.score import SECTIONS, Score
from ml_platform.provenance.score_facts import Stores
from ml_platform.provenance.score_rubric import score_version
from ml_platform.provenance.score_text import as_markdown
from ml_platform.provenance.trace_history import RunHistory
from ml_platform.storage.io_managers import RECORD_TYPE
from ml_platform.training.config import ModelConfig

RESOURCES = {"tables", "tracking"}


def score_asset(catalog: Catalog, config: ModelConfig) -> dg.AssetsDefinition:
    """`<use case>/<name>_ml_test_score`: the score of the version that was registered for each as-of month."""
    use_case = catalog.use_case
    deps = [use_case.key(f"{config.name}_model_version")]
    if catalog.deployment is not None:
        deps.append(use_case.key(catalog.deployment.champion.name))

    @dg.asset(
        key=use_case.key(f"{config.name}_ml_test_score"),
        retry_policy=use_case.retries(),
        description="28 tests of production readiness in four sections (Breck et al. 2017), each by evidence that the "
        f"platform has of the month's version of {config.registered_as}; an unproven test earns nothing.",
        deps=deps,
        partitions_def=use_case.by_as_of_month,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        io_manager_key="records",
        group_name=f"{use_case.name}_provenance",
        kinds={"json"},
        owners=use_case.owners,
        metadata={RECORD_TYPE: f"{Score.__module__}:{Score.__name__}"},
        required_resource_keys=RESOURCES,
    )
    def score(context: dg.AssetExecutionContext) -> object:
        stores = Stores(context.resources.tables.location.settings, _evidence(context, catalog))
        scores: dict[str, Score] = {}
        for month in sorted(context.partition_keys):
            scores[month] = score_version(stores, config.registered_as, _version(context, config, month))
            context.add_asset_metadata(_presented(scores[month]), partition_key=month)
        return scores if len(scores) > 1 else next(iter(scores.values()))

    return score


def reproduction_asset(catalog: Catalog, config: ModelConfig) -> dg.AssetsDefinition:
    """`<use case>/<name>_reproduction`: the month's version made again and compared; it fails if it is not equal."""
    use_case = catalog.use_case

    @dg.asset(
        key=use_case.key(f"{config.name}_reproduction"),
        retry_policy=use_case.retries(),
        description=f"The month's version of {config.registered_as} and its predictions, made again in a new process.",
        deps=[use_case.key(f"{config.name}_model_version")],
        partitions_def=use_case.by_as_of_month,
        io_manager_key="records",
        group_name=f"{use_case.name}_provenance",
        kinds={"json"},
        owners=use_case.owners,
        metadata={RECORD_TYPE: f"{Reproduction.__module__}:{Reproduction.__name__}"},
        required_resource_keys=RESOURCES,
    )
    def reproduction(context: dg.AssetExecutionContext) -> Reproduction:
        location = context.resources.tables.location
        version = _version(context, config, context.partition_key)
        declared = Declared.of([catalog], config.registered_as)
        found = reproduce(location.settings, config.registered_as, version, declared=declared, tell=context.log.info)
        keep_reproduction(location.artifacts(), found, context.run.run_id)
        if not found.is_equal:
            raise ReproductionError(
                f"{found.name} {found.version} came out otherwise",
                expected=f"sha256 {found.recorded_sha256} and equal predictions",
                got=f"sha256 {found.rebuilt.sha256}; " + "; ".join(str(each.what) for each in found.results),
                kept="The registered version stands",
                remedy=f"`ml-platform reproduce {found.name} {found.version}` tells all that differs",
            )
        context.add_output_metadata({"sha256": found.rebuilt.sha256, "cpu_seconds": found.rebuilt.cpu_seconds})
        return found

    return reproduction


def _evidence(context: dg.AssetExecutionContext, catalog: Catalog) -> Evidence:
    location, tracking = context.resources.tables.location, context.resources.tracking
    history = RunHistory(context.instance)
    return Evidence([catalog], location.tables(), location.artifacts(), tracking, context.instance, history)


def _version(context: dg.AssetExecutionContext, config: ModelConfig, month: str) -> int:
    registry = context.resources.tracking.registry
    return int(registry.as_of(config.registered_as, dt.date.fromisoformat(month)).version)


def _presented(score: Score) -> dict[str, dg.MetadataValue[Any]]:
    """The final score and the sections as numbers, which the UI plots, and the tests as a table."""
    numbers = {"ml_test_score": score.final, **{f"{each}_points": score.sections[each] for each in SECTIONS}}
    return {
        **{name: dg.MetadataValue.float(value) for name, value in numbers.items()},
        "tests": dg.MetadataValue.md(as_markdown(score)),
        "version": dg.MetadataValue.int(score.version),
    }
