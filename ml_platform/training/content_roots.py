"""What each as-of month may learn from, as one asset with one data version a month: the content of the days before it.

A model reads whole tables, and Dagster does not see through a dependency on so many partitions. It does see that the
content root of the model's own month is another one, and then calls the model stale, naming the root; a change on or
after the as-of day leaves it fresh. A root follows from the table's log alone, so whoever reports it reports the same.

Belongs here: roots, their assets and what a training tells of the ones it read. Does not: when they are looked at
(`sensors`).
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import dagster as dg
from dagster._core.definitions.data_version import (
    DATA_VERSION_TAG,
    extract_data_version_from_entry,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from ml_platform.components.use_case import UseCase
from ml_platform.storage.content import root_hash
from ml_platform.storage.tables import TableStore
from ml_platform.training.config import ModelConfig
from ml_platform.training.records import Inputs

_DEGRADED = " degraded"
_LATEST = 100  # observations of a month's root that are looked through for the one that a training read


class Root(NamedTuple):
    """What is published of a table before one as-of month."""

    version: int
    days: int
    last_day: str
    content_root: str


def root_key(use_case: UseCase, table: str) -> dg.AssetKey:
    """`<use case>/<table>_as_of`."""
    return use_case.key(f"{table}_as_of")


def root_specs(use_case: UseCase, tables: Sequence[str]) -> list[dg.AssetSpec]:
    """The roots of `tables`, as assets that are observed and never made."""
    return [
        dg.AssetSpec(
            root_key(use_case, table),
            description=f"What is published of {use_case.name}/{table} before each as-of month: one hash over the "
            "content of its days. A model is stale when that of its month is not the one that it learnt from.",
            deps=[dg.AssetDep(use_case.key(table), partition_mapping=dg.AllPartitionMapping())],
            partitions_def=use_case.by_as_of_month,
            group_name=f"{use_case.name}_training",
            owners=use_case.owners,
            kinds={"deltalake"},
        )
        for table in tables
    ]


def roots_at(
    tables: TableStore, name: str, months: Sequence[str], degraded: Collection[str] = (), version: int | None = None
) -> dict[str, Root]:
    """The root of each month that has a published day before it; only the log is read.

    A degraded day counts as another content than the same day sound: a model may have to leave it out.

    Raises:
        TableNotFoundError: the table was never published.
    """
    of_version = tables.version(name) if version is None else version
    published = tables.partitions(name, of_version)
    contents = {day: state.content_hash + _DEGRADED * (day in degraded) for day, state in published.items()}
    known = {month: {day: content for day, content in contents.items() if day < month} for month in months}
    return {
        month: Root(of_version or 0, len(days), max(days), root_hash(days)) for month, days in known.items() if days
    }


def roots_as_read(tables: TableStore, inputs: Inputs, month: str) -> tuple[Root, Root]:
    """The roots of the features and the labels that a model of `month` was trained on."""
    degraded = {*inputs.degraded_days, *inputs.features.left_out_days, *inputs.labels.left_out_days}
    features, labels = (
        roots_at(tables, read.table, [month], degraded, read.version)[month]
        for read in (inputs.features, inputs.labels)
    )
    return features, labels


def read_together(models: Sequence[ModelConfig]) -> dict[str, frozenset[str]]:
    """For each table that a model reads, the tables that are read with it: a day degraded in one counts in all."""
    together: dict[str, frozenset[str]] = {}
    for model in models:
        pair = frozenset({model.features_table, model.labels_table})
        together |= {table: together.get(table, frozenset()) | pair for table in pair}
    return dict(sorted(together.items()))


def observation(key: dg.AssetKey, month: str, root: Root) -> dg.AssetObservation:
    """The event that tells of one month's root."""
    return dg.AssetObservation(
        key,
        partition=month,
        metadata={"table_version": root.version, "days": root.days, "content_root": root.content_root},
        tags={DATA_VERSION_TAG: root.content_root},
    )


def tags_of_reading(
    context: dg.OpExecutionContext, use_case: UseCase, config: ModelConfig, inputs: Inputs
) -> dict[str, str]:
    """What a model's materialization says of the roots that it was trained on, whatever was observed meanwhile.

    Where the sensor has not observed such a root yet, it is observed now.
    """
    tables: TableStore = context.resources.tables.location.tables()
    month, tags = context.partition_key, dict[str, str]()
    read = roots_as_read(tables, inputs, month)
    for table, root in zip((config.features_table, config.labels_table), read, strict=True):
        key = root_key(use_case, table)
        pointer = _observed(context.instance, key, month, root)
        if pointer is None:
            context.instance.report_runless_asset_event(observation(key, month, root))
            pointer = _observed(context.instance, key, month, root)
        tags |= {get_input_data_version_tag(key): root.content_root, get_input_event_pointer_tag(key): str(pointer)}
    return tags


def _observed(instance: dg.DagsterInstance, key: dg.AssetKey, month: str, root: Root) -> int | None:
    """The newest observation of this very root of the month, by its place in the event log."""
    asked = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[month])
    wanted = dg.DataVersion(root.content_root)
    records = instance.fetch_observations(asked, limit=_LATEST).records
    found = (each.storage_id for each in records if extract_data_version_from_entry(each.event_log_entry) == wanted)
    return next(found, None)
