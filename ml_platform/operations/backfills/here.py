"""A backfill done in this process, run by run, without a daemon.

It is in Dagster's history like any other, so that it can be listed, shown and resumed. While it is at work it stands
there as canceled, which keeps a daemon off it and is what it is if this process dies: what it made by then is written
down after each run.

Belongs here: doing it. Does not: which runs (`plan`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.execution.asset_backfill import AssetBackfillData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.tags import BACKFILL_ID_TAG
from dagster._core.utils import make_new_backfill_id

from ml_platform.errors import RunFailedError
from ml_platform.execution.launch import QUIET, CodeLocation, PartitionRange, RunRequest, run_job
from ml_platform.operations.backfills.assets import Assets, Parts, with_ancestors
from ml_platform.operations.backfills.plan import PlannedRun, runs
from ml_platform.operations.backfills.starting import as_title, made_since

Tell = Callable[[str], None]


class Done(NamedTuple):
    """What became of it: its id, and the message of each run that failed."""

    backfill_id: str
    failures: tuple[str, ...]
    left_out: int


def run_here(
    instance: dg.DagsterInstance,
    graph: Any,
    locations: Sequence[CodeLocation],
    assets: Assets,
    parts: Parts,
    *,
    title: str,
    tags: Mapping[str, str],
    tell: Tell,
) -> Done:
    """Every run of the plan, except those that need what an earlier one did not make.

    Raises:
        RunCanceledError: Ctrl-C.
        RunRequestError: the locations do not have it.
    """
    planned, record = runs(assets, parts), _Record(instance, graph, assets, parts, title, tags)
    modules = {each.name: each for each in locations}
    failures: list[str] = []
    left_out, failed = 0, list[PlannedRun]()
    for number, run in enumerate(planned, 1):
        if any(_needs(assets, run, other) for other in failed):
            failed.append(run)
            left_out += 1
            continue
        tell(f"{number} of {len(planned)}: {', '.join(run.assets)} {_span(run)}".rstrip())
        try:
            run_job(instance, _request(modules[run.location], run, record.backfill_id))
        except RunFailedError as error:
            failures.append(str(error))
            failed.append(run)
        record.write(run)
    record.end(is_whole=not failed)
    return Done(record.backfill_id, tuple(failures), left_out)


class _Record:
    """The backfill in Dagster's history."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        graph: Any,
        assets: Assets,
        parts: Parts,
        title: str,
        tags: Mapping[str, str],
    ) -> None:
        self._instance, self._graph, self.backfill_id = instance, graph, make_new_backfill_id()
        self._began = time.time()
        target = self._subset(parts)
        started = PartitionBackfill.from_asset_graph_subset(
            backfill_id=self.backfill_id,
            asset_graph_subset=target,
            backfill_timestamp=self._began,
            tags=tags,
            dynamic_partitions_store=instance,
            title=as_title(title),
            description="Done in the process of the command.",
            run_config=None,
        )
        instance.add_backfill(started._replace(status=BulkActionStatus.CANCELED))

    def write(self, run: PlannedRun) -> None:
        """Note what the run was to make, and what of it is made."""
        made = {name: self._made(name, run.partitions) for name in run.assets}
        backfill, data = self._now()
        asked = self._subset(dict.fromkeys(run.assets, run.partitions))
        done = self._subset({name: keys for name, keys in made.items() if keys is not None})
        data = data._replace(
            requested_subset=data.requested_subset | asked,
            materialized_subset=data.materialized_subset | done,
            failed_and_downstream_subset=data.failed_and_downstream_subset | (asked - done),
        )
        self._instance.update_backfill(backfill._replace(asset_backfill_data=data))

    def end(self, *, is_whole: bool) -> None:
        """Note that nothing more will come."""
        status = BulkActionStatus.COMPLETED_SUCCESS if is_whole else BulkActionStatus.COMPLETED_FAILED
        backfill, data = self._now()
        failed = data.target_subset - data.materialized_subset
        ended = backfill._replace(asset_backfill_data=data._replace(failed_and_downstream_subset=failed))
        self._instance.update_backfill(ended._replace(status=status).with_end_timestamp(time.time()))

    def _now(self) -> tuple[PartitionBackfill, AssetBackfillData]:
        backfill = self._instance.get_backfill(self.backfill_id)
        assert backfill is not None, "it was added above"
        assert backfill.asset_backfill_data is not None, "it is one of assets"
        return backfill, backfill.asset_backfill_data

    def _made(self, name: str, keys: Sequence[str]) -> Sequence[str] | None:
        """Of these partitions of the asset, those that were made since it began; None if it has none and was not."""
        made = made_since(self._instance, name, self._began)
        return [key for key in keys if key in made] or (None if keys or not made else ())

    def _subset(self, parts: Parts) -> AssetGraphSubset:
        pairs = {
            AssetKeyPartitionKey(dg.AssetKey(name.split("/")), key)
            for name, keys in parts.items()
            for key in (*keys, *(() if keys else (None,)))
        }
        return AssetGraphSubset.from_asset_partition_set(pairs, self._graph)


def _request(location: CodeLocation, run: PlannedRun, backfill_id: str) -> RunRequest:
    keys = run.partitions
    return RunRequest(
        location,
        assets=[dg.AssetKey(name.split("/")) for name in run.assets],
        partitions=None if not keys else keys[0] if len(keys) == 1 else PartitionRange(keys[0], keys[-1]),
        config=QUIET,
        tags={BACKFILL_ID_TAG: backfill_id},
    )


def _needs(assets: Assets, run: PlannedRun, failed: PlannedRun) -> bool:
    """Whether the run would read what the failed one did not make; between two calendars nothing is known, so yes."""
    is_after = any(set(failed.assets) & set(with_ancestors(assets, name)) - {name} for name in run.assets)
    same_calendar = assets[run.assets[0]].calendar == assets[failed.assets[0]].calendar
    return is_after and (not same_calendar or bool(set(run.partitions) & set(failed.partitions)) or not run.partitions)


def _span(run: PlannedRun) -> str:
    keys = run.partitions
    return "" if not keys else keys[0] if len(keys) == 1 else f"{keys[0]} to {keys[-1]} ({len(keys):,})"
