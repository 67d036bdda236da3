"""One materialization event for each partition of a run over several, each with its own data version.

Dagster stamps one data version on all partitions of such a run. Here the IO manager makes the events itself, with
Dagster's own tags for code version and provenance, and then takes the asset key off its output context: the framework
finds no asset to report on and adds no event of its own. What this rests on is pinned in the upstream tests.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import dagster as dg
from dagster._core.definitions.assets.definition.asset_spec import AssetExecutionType
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.metadata import normalize_metadata
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, generate_event_batch_id
from dagster._core.execution.plan.execute_step import _get_output_asset_events

from ml_platform.storage.content import root_hash

DEGRADED_TAG = "ml_platform/degraded"
"""Tag and metadata of a materialization that is degraded: the tag is the rung, the metadata says why."""


class LowerRung(NamedTuple):
    """How a partition was made instead of as it should be, as a tag can say it, and why."""

    rung: str
    reason: str


def materializations(
    context: dg.OutputContext,
    content_hashes: Mapping[str, str],
    metadata: Mapping[str, Any],
    metadata_by_partition: Mapping[str, Mapping[str, Any]],
    degraded: Mapping[str, LowerRung] = MappingProxyType({}),
) -> Iterator[DagsterEvent]:
    """The events to yield from `handle_output`, in the order of `content_hashes`; nothing else reports this output.

    Metadata of the asset body's own `Output` is kept; tags given to that `Output` are not, as no IO manager sees them.
    """
    step = context.step_context
    key = context.asset_key
    root = dg.DataVersion(root_hash(content_hashes))
    step.set_data_version(key, root)
    events = list(
        _get_output_asset_events(
            key,
            list(content_hashes),
            dg.Output(None, output_name=context.name, metadata=context.output_metadata),
            context.op_def.output_def_named(context.name),
            normalize_metadata(dict(metadata)),
            step,
            AssetExecutionType.MATERIALIZATION,
        )
    )
    batch = generate_event_batch_id()  # type: ignore[no-untyped-call]
    for event in events:
        assert isinstance(event, dg.AssetMaterialization)
        assert event.partition is not None
        tags = {**(event.tags or {}), DATA_VERSION_TAG: content_hashes[event.partition]}
        tags |= {DEGRADED_TAG: degraded[event.partition].rung} if event.partition in degraded else {}
        own = normalize_metadata(dict(metadata_by_partition.get(event.partition, {})))
        is_last = event is events[-1]
        own_version = event._replace(tags=tags, metadata={**event.metadata, **own})
        yield DagsterEvent.asset_materialization(step, own_version, DagsterEventBatchMetadata(batch, is_last))
    context._asset_key = None
