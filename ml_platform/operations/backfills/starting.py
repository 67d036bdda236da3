"""Backfills asked of Dagster: the same that its UI asks for, over any set of partitions of each asset.

Reading and ending one needs Dagster's history alone; starting one needs whoever knows the assets (`dagster_api`).

Belongs here: asking, and what is left of one. Does not: what is meant (`selection`), or doing it here (`here`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import (
    BULK_ACTION_TERMINAL_STATUSES,
    BulkActionsFilter,
    BulkActionStatus,
    PartitionBackfill,
)
from dagster._core.storage.tags import PARENT_BACKFILL_ID_TAG, ROOT_BACKFILL_ID_TAG

from ml_platform.errors import BackfillNotFoundError, BackfillStateError
from ml_platform.operations.backfills.assets import Assets, Parts, with_ancestors
from ml_platform.operations.backfills.dagster_api import DagsterApi
from ml_platform.operations.backfills.plan import stretches
from ml_platform.storage.batches import UNPARTITIONED

NOTHING_STARTED = "Nothing was started."
_PAGE, _LONGEST_TITLE = 2_000, 100
_LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  ... on LaunchBackfillSuccess { backfillId } ... on Error { message }
} }"""
_REEXECUTE = """mutation($params: ReexecutionParams!) { reexecutePartitionBackfill(reexecutionParams: $params) {
  ... on LaunchBackfillSuccess { backfillId } ... on Error { message }
} }"""


def start(api: DagsterApi, assets: Assets, parts: Parts, title: str, tags: Mapping[str, str]) -> str:
    """Id of a new backfill over `parts`, which the daemon goes on with.

    Raises:
        WebserverUnreachableError: nobody answers.
        RunRequestError: Dagster refuses it.
    """
    params = {
        "partitionsByAssets": [
            {"assetKey": {"path": name.split("/")}, "partitions": _ranges(assets, name, keys)}
            for name, keys in parts.items()
        ],
        "title": as_title(title),
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    backfill_id: str = api.ask(_LAUNCH, params=params)["launchPartitionBackfill"]["backfillId"]
    return backfill_id


def resume(api: DagsterApi, assets: Assets, left: Parts, backfill: PartitionBackfill) -> str:
    """Id of a new backfill of what `backfill` has `left`; Dagster's own re-execution from failure where it is the same.

    Raises:
        RunRequestError: Dagster refuses it.
    """
    if {name: set(keys) for name, keys in left.items()} == not_made(backfill):
        params = {"parentRunId": backfill.backfill_id, "strategy": "FROM_FAILURE"}
        backfill_id: str = api.ask(_REEXECUTE, params=params)["reexecutePartitionBackfill"]["backfillId"]
        return backfill_id
    return start(api, assets, left, resumed_title(backfill), resumed_tags(backfill))


def cancel(instance: dg.DagsterInstance, backfill: PartitionBackfill) -> None:
    """Have the daemon end its runs and ask for no more.

    Raises:
        BackfillStateError: it is over already.
    """
    if backfill.status in BULK_ACTION_TERMINAL_STATUSES:
        raise BackfillStateError(
            f"Backfill {backfill.backfill_id} is over: {backfill.status.value.lower()}", kept="Nothing was changed."
        )
    instance.update_backfill(backfill._replace(status=BulkActionStatus.CANCELING))


def find(instance: dg.DagsterInstance, begins: str) -> PartitionBackfill:
    """The backfill whose id begins so.

    Raises:
        BackfillNotFoundError: there is none, or there are several.
    """
    if exact := instance.get_backfill(begins):
        return exact
    found = [each for each in instance.get_backfills() if each.backfill_id.startswith(begins)]
    if len(found) != 1:
        newest = [each.backfill_id for each in (found or instance.get_backfills(limit=3))]
        raise BackfillNotFoundError(
            f"{len(found) or 'No'} backfills have an id that begins with '{begins}'",
            expected=f"one of {', '.join(newest)}" if newest else "none: no backfill was started yet",
            remedy="`ml-platform backfill list` shows them.",
        )
    return found[0]


def newest_of(instance: dg.DagsterInstance, backfill: PartitionBackfill) -> PartitionBackfill:
    """The backfill that goes on with this one, and so on; itself if none does."""
    children = instance.get_backfills(
        filters=BulkActionsFilter(tags={PARENT_BACKFILL_ID_TAG: backfill.backfill_id}), limit=1
    )
    return newest_of(instance, children[0]) if children else backfill


def require_left(instance: dg.DagsterInstance, assets: Assets, backfill: PartitionBackfill) -> dict[str, set[str]]:
    """By asset, the partitions that it was to make and that are not made; none for an asset without partitions.

    What somebody made since it began is not left, unless it hangs on something that is.

    Raises:
        BackfillStateError: it is not over, is none of assets, or nothing is left.
    """
    if backfill.status not in BULK_ACTION_TERMINAL_STATUSES:
        raise BackfillStateError(
            f"Backfill {backfill.backfill_id} is not over: {backfill.status.value.lower()}",
            kept=NOTHING_STARTED,
            remedy=f"See `ml-platform backfill show {backfill.backfill_id}`, or cancel it first.",
        )
    wanted, left = not_made(backfill), dict[str, set[str]]()
    for name in (name for name in assets if name in wanted):
        if left.keys() & set(with_ancestors(assets, name)):
            left[name] = wanted[name]
        elif found := (wanted[name] or {UNPARTITIONED}) - made_since(instance, name, backfill.backfill_timestamp):
            left[name] = found - {UNPARTITIONED}
    if not left:
        raise BackfillStateError(
            f"Nothing is left of backfill {backfill.backfill_id}: all that it was to make is made", kept=NOTHING_STARTED
        )
    return left


def not_made(backfill: PartitionBackfill) -> dict[str, set[str]]:
    """By asset, the partitions that it was to make and did not; none for an asset without partitions.

    Raises:
        BackfillStateError: it is the backfill of a job, not of assets.
    """
    data = backfill.asset_backfill_data
    if data is None:
        raise BackfillStateError(
            f"Backfill {backfill.backfill_id} is one of a job, not of assets",
            kept=NOTHING_STARTED,
            remedy="Re-execute it on its page in the UI.",
        )
    left = data.target_subset - data.materialized_subset
    by_key = left.partitions_subsets_by_asset_key
    found = {"/".join(key.path): set(subset.get_partition_keys()) for key, subset in by_key.items() if len(subset)}
    return found | {"/".join(key.path): set() for key in left.non_partitioned_asset_keys}


def made_since(instance: dg.DagsterInstance, asset: str, since: float) -> set[str]:
    """The partitions of the asset that were made after an instant (seconds)."""
    found, before = set[str](), None
    while True:
        rows = instance.get_asset_event_summary_records(
            dg.DagsterEventType.ASSET_MATERIALIZATION,
            dg.AssetKey(asset.split("/")),
            before_storage_id=before,
            limit=_PAGE,
        )
        recent = [row for row in rows if row.timestamp >= since]
        found |= {row.partition or UNPARTITIONED for row in recent}
        if len(recent) < _PAGE:
            return found
        before = rows[-1].storage_id


def in_order(assets: Assets, parts: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
    """`parts`, sources first and by the calendar."""
    return {
        name: tuple(key for key in asset.partitions or () if key in parts[name])
        for name, asset in assets.items()
        if name in parts
    }


def resumed_title(backfill: PartitionBackfill) -> str:
    """What its resumption is called; the UI calls one so."""
    return f"Re-execution of {backfill.title or backfill.backfill_id}"


def resumed_tags(backfill: PartitionBackfill) -> dict[str, str]:
    """The tags by which Dagster's UI links a resumption to what it resumes."""
    root = backfill.tags.get(ROOT_BACKFILL_ID_TAG, backfill.backfill_id)
    return {**backfill.tags, PARENT_BACKFILL_ID_TAG: backfill.backfill_id, ROOT_BACKFILL_ID_TAG: root}


def as_title(text: str) -> str:
    """As Dagster takes one."""
    return "".join(character for character in text if character not in '%*"')[:_LONGEST_TITLE]


def _ranges(assets: Assets, name: str, keys: Sequence[str]) -> dict[str, Any] | None:
    """Stretches of time, or each key alone: only in time is a stretch the same thing to everyone."""
    asset = assets[name]
    if asset.partitions is None:
        return None
    found = stretches(asset.partitions, keys) if asset.is_by_time else [(key,) for key in keys]
    return {"ranges": [{"start": each[0], "end": each[-1]} for each in found]}
