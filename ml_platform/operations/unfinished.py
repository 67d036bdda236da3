"""Partitions that a run was to make and has not: it failed, is at work, or is still to begin.

Belongs here: what Dagster's history says of the last attempt at each partition. Does not: what is published.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES, DagsterRunStatus, RunRecord
from dagster._core.storage.tags import WILL_RETRY_TAG

from ml_platform.operations.health import Finding, State
from ml_platform.recovery.attempts import failed_steps
from ml_platform.storage.batches import UNPARTITIONED

NO_STEP_FAILED = "The run ended without a failed step: its process was lost, or it could not begin."


class _Open(NamedTuple):
    """What one run left unmade: partitions by asset, in the order of `assets`."""

    record: RunRecord
    left: dict[str, list[str]]


def unfinished(instance: dg.DagsterInstance, assets: Sequence[str], *, is_retried: bool = True) -> list[Finding]:
    """One finding for each run whose work on some of `assets` is the last that was tried, and is not done.

    `is_retried` tells whether a daemon is there that starts the retries which failed runs are to have.
    """
    runs: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for asset in assets:
        for partition, run_id in open_attempts(instance, asset).items():
            runs[run_id].setdefault(asset, []).append(partition)
    if not runs:
        return []
    records = instance.get_run_records(dg.RunsFilter(run_ids=list(runs)))
    found = [_finding(instance, _Open(record, runs[record.dagster_run.run_id]), is_retried) for record in records]
    return [finding for finding in found if finding]


def open_attempts(instance: dg.DagsterInstance, asset: str) -> Mapping[str, str]:
    """By partition, the run that was to make it last and has not."""
    key, log = dg.AssetKey(asset.split("/")), instance.event_log_storage
    tried = log.get_latest_asset_partition_materialization_attempts_without_materializations(key)
    if tried:
        return {partition: run_id for partition, (run_id, _) in tried.items()}
    planned = log.get_latest_planned_materialization_info(key)
    if planned is None:
        return {}
    record = next(iter(instance.get_asset_records([key])), None)
    made = record.asset_entry.last_materialization_storage_id if record else None
    return {} if made is not None and made > planned.storage_id else {UNPARTITIONED: planned.run_id}


def _state(run: dg.DagsterRun, is_retried: bool) -> State | None:
    if run.status in NOT_FINISHED_STATUSES:
        is_queued = run.status in (DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED)
        return "queued" if is_queued else "running"
    if run.status == DagsterRunStatus.FAILURE:
        return "queued" if is_retried and run.tags.get(WILL_RETRY_TAG) == "true" else "failed"
    return None  # somebody ended it, or it succeeded and left it out


def _finding(instance: dg.DagsterInstance, found: _Open, is_retried: bool) -> Finding | None:
    run, state = found.record.dagster_run, _state(found.record.dagster_run, is_retried)
    if state is None:
        return None
    assets = list(found.left)
    if state != "failed":
        asset, told = assets[0], {"what": f"{run.job_name} is at work" if state == "running" else "a run is to come"}
    else:
        steps = failed_steps(instance, run.run_id)
        roots = {step.step_key.partition(".")[0].partition("[")[0]: step for step in steps}
        asset = next((each for each in assets if each.replace("/", "__") in roots), assets[0])
        step = roots.get(asset.replace("/", "__"), next(iter(steps), None))
        told = {
            "what": step.what.removeprefix(f"{step.error}: ") if step else NO_STEP_FAILED,
            "error_class": step.error_class if step else "resource",
            "error": step.error.rpartition(".")[2] if step else "",
        }
    at = found.record.end_time or found.record.start_time or found.record.create_timestamp.timestamp()
    return Finding(
        state=state,
        asset=asset,
        partitions=tuple(sorted(found.left[asset])),
        since=datetime.fromtimestamp(at, UTC),
        run_id=run.run_id,
        also=tuple(each for each in assets if each != asset),
        **told,
    )
