"""How far a backfill is: what is made, failed, open and waiting, why runs failed, and how long it will still take.

Belongs here: reading Dagster's history, which the daemon brings up to date every 30 seconds. Does not: changing it.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import dagster as dg
from dagster._core.execution.asset_backfill import AssetBackfillData
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, PartitionBackfill
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.storage.tags import PARENT_BACKFILL_ID_TAG

from ml_platform.operations.backfills.starting import newest_of
from ml_platform.recovery.attempts import failed_steps

FAILED_RUNS_READ = 50


class AssetProgress(NamedTuple):
    """Partitions of one asset; an asset without partitions counts as one."""

    name: str
    targeted: int
    made: int
    failed: int
    open: int

    @property
    def waiting(self) -> int:
        """Those that no run was asked for yet."""
        return self.targeted - self.made - self.failed - self.open


class Progress(NamedTuple):
    """One backfill. `reasons` counts failed runs by what failed in them; `seconds_left` is None where nothing tells."""

    backfill_id: str
    title: str
    status: str
    is_over: bool
    began_at: datetime
    ended_at: datetime | None
    assets: tuple[AssetProgress, ...]
    runs: Mapping[str, int] = {}
    reasons: Mapping[str, int] = {}
    seconds_left: float | None = None
    resumes: str = ""
    resumed_as: str = ""
    error: str = ""

    @property
    def made(self) -> int:
        """Partitions of all assets that are made."""
        return sum(each.made for each in self.assets)

    @property
    def targeted(self) -> int:
        """Partitions of all assets."""
        return sum(each.targeted for each in self.assets)

    @property
    def failed(self) -> int:
        """Partitions of all assets that failed, or hang on one that did."""
        return sum(each.failed for each in self.assets)


def summary(backfill: PartitionBackfill) -> Progress:
    """What the backfill itself says; no run is read."""
    ended = backfill.backfill_end_timestamp
    return Progress(
        backfill_id=backfill.backfill_id,
        title=backfill.title or "",
        status=backfill.status.value.lower().replace("_", " "),
        is_over=backfill.status in BULK_ACTION_TERMINAL_STATUSES,
        began_at=datetime.fromtimestamp(backfill.backfill_timestamp, UTC),
        ended_at=datetime.fromtimestamp(ended, UTC) if ended else None,
        assets=_of_assets(backfill.asset_backfill_data) if backfill.asset_backfill_data else (),
        resumes=backfill.tags.get(PARENT_BACKFILL_ID_TAG, ""),
        error=(backfill.error.message.strip() if backfill.error else ""),
    )


def progress(instance: dg.DagsterInstance, backfill: PartitionBackfill) -> Progress:
    """The same, with its runs, why some failed, and the time left at the pace so far."""
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill.backfill_id}))
    failed = [run.run_id for run in runs if run.status is DagsterRunStatus.FAILURE]
    told, newest = summary(backfill), newest_of(instance, backfill).backfill_id
    return told._replace(
        runs=Counter(run.status.value.lower() for run in runs),
        reasons=Counter(reason for run_id in failed[:FAILED_RUNS_READ] for reason in _reasons(instance, run_id)),
        seconds_left=_seconds_left(told, datetime.now(UTC)),
        resumed_as="" if newest == backfill.backfill_id else newest,
    )


def _seconds_left(told: Progress, now: datetime) -> float | None:
    open_ones = told.targeted - told.made - told.failed
    if told.is_over or not told.made:
        return None
    return (now - told.began_at).total_seconds() / told.made * open_ones


def _reasons(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    found = {
        f"{each.error.rpartition('.')[2]} in {each.step_key} ({each.error_class})"
        for each in failed_steps(instance, run_id)
    }
    return sorted(found) or ["no step failed: its process was lost, or it could not begin"]


def _of_assets(data: AssetBackfillData) -> tuple[AssetProgress, ...]:
    """By name; without Dagster's graph, which would have to be loaded for the order."""
    found = []
    for key in sorted(data.target_subset.asset_keys):
        targeted, made, failed, asked = (
            _count(subset, key)
            for subset in (
                data.target_subset,
                data.materialized_subset,
                data.failed_and_downstream_subset - data.materialized_subset,
                data.requested_subset - data.materialized_subset - data.failed_and_downstream_subset,
            )
        )
        found.append(AssetProgress("/".join(key.path), targeted, made, failed, asked))
    return tuple(found)


def _count(subset: object, key: dg.AssetKey) -> int:
    by_key = subset.partitions_subsets_by_asset_key  # type: ignore[attr-defined]
    return len(by_key[key]) if key in by_key else int(key in subset.non_partitioned_asset_keys)  # type: ignore[attr-defined]
