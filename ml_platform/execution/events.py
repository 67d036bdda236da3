"""Materialization events of many partitions, written together.

Belongs here: how events reach the log cheaply. Does not: what is in them, which `lineage` and `components` decide.
"""

from collections.abc import Sequence

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, generate_event_batch_id


def log_materializations(
    context: dg.AssetExecutionContext | dg.OutputContext, materializations: Sequence[dg.AssetMaterialization]
) -> None:
    """Log the events of one step now, as one batch; each partition's newest event is the one that counts.

    Dagster stamps one data version on all partitions of a run, in events that it logs when the output has been stored. An
    asset that calls this after `yield Output(...)` has the last word. Half the cost of yielding the events one by one.
    """
    step_context = context.step_context if isinstance(context, dg.OutputContext) else context.get_step_execution_context()
    batch_id, last = generate_event_batch_id(), len(materializations) - 1
    for i, materialization in enumerate(materializations):
        DagsterEvent.asset_materialization(
            step_context, materialization, DagsterEventBatchMetadata(batch_id, is_end=i == last)
        )
