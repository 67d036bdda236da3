"""How long runs will take, by what their steps took before.

A step that makes a year at once takes less for each day than one that makes a day. So it is judged by those of its past
runs that made most nearly as many partitions: the median of their seconds a partition, times the partitions.

Belongs here: past runs in Dagster's history. Does not: waiting, for the daemon, a free slot or another run.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from statistics import median
from typing import NamedTuple

import dagster as dg

from ml_platform.execution.run_log import events_of
from ml_platform.operations.backfills.assets import Asset, Assets
from ml_platform.operations.backfills.plan import PlannedRun

RUNS_LOOKED_AT, EVENTS_LOOKED_AT, NEAREST = 10, 2_000, 5
_ENDS = (dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS)


class Observed(NamedTuple):
    """One past run of a step: partitions that it made, and its seconds."""

    partitions: int
    seconds: float


class Estimate(NamedTuple):
    """Seconds of all steps, one after the other, from so many past runs of steps; the assets without any."""

    seconds: float
    observations: int
    without_history: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        """Whether every step has a history."""
        return not self.without_history


class History:
    """Past runs of the steps of one instance."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        """Each run is read once."""
        self._instance = instance
        self._seconds, self._observed = cache(self._seconds_of), cache(self._observed_of)

    def estimate(self, assets: Assets, planned: Sequence[PlannedRun]) -> Estimate:
        """How long these runs will take."""
        seconds, used, unknown = 0.0, set[tuple[str, Observed]](), dict[str, None]()
        for run in planned:
            for asset in _one_of_each_step(assets, run.assets):
                near = _nearest(self._observed(asset.name, asset.step), max(1, len(run.partitions)))
                if not near:
                    unknown[asset.name] = None
                    continue
                used |= {(asset.step, each) for each in near}
                seconds += median(each.seconds / each.partitions for each in near) * max(1, len(run.partitions))
        return Estimate(seconds, len(used), tuple(unknown))

    def _observed_of(self, asset: str, step: str) -> list[Observed]:
        """The newest runs of the step that made the asset."""
        made: dict[str, set[str | None]] = defaultdict(set)
        for row in self._instance.get_asset_event_summary_records(
            dg.DagsterEventType.ASSET_MATERIALIZATION, dg.AssetKey(asset.split("/")), limit=EVENTS_LOOKED_AT
        ):
            made[row.run_id or ""].add(row.partition)
        newest = list(made)[:RUNS_LOOKED_AT]
        found = ((len(made[run_id]), self._seconds(run_id).get(step)) for run_id in newest)
        return [Observed(partitions, seconds) for partitions, seconds in found if seconds]

    def _seconds_of(self, run_id: str) -> dict[str, float]:
        """By node of the job, from the start of its first step to the end of its last one."""
        ends: dict[str, list[float]] = defaultdict(list)
        for record in events_of(self._instance, run_id, _ENDS):
            ends[(record.event_log_entry.step_key or "").partition("[")[0].partition(".")[0]].append(record.timestamp)
        return {node: max(times) - min(times) for node, times in ends.items()}


def _one_of_each_step(assets: Assets, names: Sequence[str]) -> Iterator[Asset]:
    yield from {assets[name].step: assets[name] for name in reversed(names)}.values()


def _nearest(observed: Sequence[Observed], partitions: int) -> list[Observed]:
    return sorted(observed, key=lambda each: abs(math.log(each.partitions / partitions)))[:NEAREST]
