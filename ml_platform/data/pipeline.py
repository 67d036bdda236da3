"""One use case's data pipeline, assembled: which table feeds which, and the jobs over them."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from ml_platform.components.automation_sensor import Job
from ml_platform.components.changes import changes_sensor
from ml_platform.components.cuts import By
from ml_platform.components.places import place, unknown
from ml_platform.components.use_case import UseCase
from ml_platform.data.by_day import by_day_asset
from ml_platform.data.by_day_sensor import by_day_sensor
from ml_platform.data.cleaned import cleaned_asset, derived_asset
from ml_platform.data.component import DataPipeline
from ml_platform.data.features import feature_asset
from ml_platform.data.landed import landed_asset, landing_spec
from ml_platform.data.landing_sensors import landing_sensors
from ml_platform.data.partitioning import require_fitting_partitions, tables_by
from ml_platform.data.recompute_sensors import recompute_sensors
from ml_platform.data.references import require_fitting
from ml_platform.data.source_schedules import source_schedules
from ml_platform.errors import DefinitionError

_PARTITIONED, _ROWS = "cleaned table with partitions", "cleaned or derived table with partitions"


def build_pipeline(pipeline: DataPipeline, use_case: UseCase) -> dg.Definitions:
    """Assets, checks and jobs of the tables that `pipeline` declares.

    Raises:
        DefinitionError: a table is declared twice, or refers to one that is not declared, or names what does not fit.
    """
    require_sound(pipeline, use_case)
    by = tables_by(pipeline)
    landed = {table.name: table for table in pipeline.landed}
    made = {table.name: table for table in pipeline.made}
    cleaned = {table.name: table for table in pipeline.cleaned}
    readable = cleaned | {table.name: table for table in pipeline.derived}
    assets = [
        *(landed_asset(use_case, table) for table in pipeline.landed),
        *(cleaned_asset(use_case, table, landed[table.source]) for table in pipeline.cleaned),
        *(derived_asset(use_case, table, cleaned[table.source], by[table.name]) for table in pipeline.derived),
        *(feature_asset(use_case, table, readable, by[table.name]) for table in pipeline.features),
        *(by_day_asset(use_case, table, made[table.source]) for table in pipeline.by_day),
    ]
    following = [key for asset in assets if asset.automation_conditions_by_key for key in asset.keys]
    jobs = _jobs(use_case, by, assets)
    return dg.Definitions(
        assets=[*(landing_spec(use_case, table) for table in pipeline.landed), *assets],
        jobs=list(jobs.values()),
        schedules=source_schedules(pipeline, use_case, jobs),
        sensors=[
            *landing_sensors(pipeline, use_case, jobs),
            *recompute_sensors(pipeline, use_case, jobs, assets),
            *([changes_sensor(use_case, following)] if following else []),
            *([by_day_sensor(pipeline, use_case, jobs["day"], jobs["key"])] if pipeline.by_day else []),
        ],
    )


def require_sound(pipeline: DataPipeline, use_case: UseCase) -> None:
    """Pass if everything that the YAML names is there, and fits what it is named for.

    Raises:
        DefinitionError: something is not, or does not.
    """
    _require_declared(pipeline, use_case)
    require_fitting(pipeline, use_case)
    require_fitting_partitions(pipeline, use_case)


def _jobs(use_case: UseCase, by: Mapping[str, By], assets: Sequence[dg.AssetsDefinition]) -> dict[By, Job]:
    """One job for the tables by day, one for those by key and one for those that are whole, where there are any."""
    told: dict[By, tuple[str, str]] = {
        "day": (
            f"build_{use_case.name}_days",
            "From landing objects to features and labels, for any set of days in one run.",
        ),
        "key": (
            f"build_{use_case.name}_{use_case.keys}",
            f"From landing objects to features, for {use_case.keys} in one run that were found one after the other.",
        ),
        "whole": (
            f"refresh_{use_case.name}_references",
            "The tables that are one landing object each, read again.",
        ),
    }
    keys = {cut: [key for asset in assets for key in asset.keys if by[key.path[-1]] == cut] for cut in told}
    return {
        cut: dg.define_asset_job(name, dg.AssetSelection.assets(*keys[cut]), description=description)
        for cut, (name, description) in told.items()
        if keys[cut]
    }


def _require_declared(pipeline: DataPipeline, use_case: UseCase) -> None:
    landed = [table.name for table in pipeline.landed]
    by_day = [table.name for table in pipeline.by_day]
    quarantines = [table.quarantine for table in pipeline.cleaned]
    declared = [*landed, *(table.name for table in pipeline.made), *by_day, *quarantines]
    if repeated := sorted({name for name in declared if declared.count(name) > 1}):
        raise DefinitionError(
            f"use_cases/{use_case.name}/data/defs.yaml declares {', '.join(repeated)} more than once."
        )
    for field, what, wanted, allowed in _references(pipeline):
        if wanted not in allowed:
            raise unknown(place(use_case.name, "data", field), what, wanted, allowed)


def _references(pipeline: DataPipeline) -> Iterator[tuple[list[str | int], str, str, set[str]]]:
    """For every table that a table reads: the field, what it is, its name, and the names of those that it may read."""
    landed = {table.name for table in pipeline.landed}
    cleaned = {table.name for table in pipeline.cleaned}
    whole = {table.name for table in pipeline.cleaned if table.partition_column is None}
    for n, clean in enumerate(pipeline.cleaned):
        yield ["cleaned", n, "source"], "landed table", clean.source, landed
        for i, reference in enumerate(clean.references):
            yield ["cleaned", n, "references", i], "cleaned table without partitions", reference, whole
    for n, derived in enumerate(pipeline.derived):
        yield ["derived", n, "source"], _PARTITIONED, derived.source, cleaned - whole
    rows = (cleaned - whole).union(table.name for table in pipeline.derived)
    for n, features in enumerate(pipeline.features):
        yield ["features", n, "rows"], _ROWS, features.rows, rows
        for i, history in enumerate(features.inputs):
            yield ["features", n, "inputs", i, "table"], _PARTITIONED, history.table, cleaned - whole
    for n, cut in enumerate(pipeline.by_day):
        made = rows.union(features.name for features in pipeline.features)
        yield ["by_day", n, "source"], "cleaned, derived or feature table", cut.source, made
