"""From what a person asks for to backfills: planned, then begun or done.

Belongs here: the steps in their order. Does not: any of them.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple

import dagster as dg
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionStatus, PartitionBackfill

from ml_platform.errors import BackfillStateError
from ml_platform.execution.launch import CodeLocation
from ml_platform.operations.backfills import plan, starting
from ml_platform.operations.backfills.assets import Assets, named, read_assets, with_companions
from ml_platform.operations.backfills.dagster_api import DagsterApi, Here, InProcess, Webserver
from ml_platform.operations.backfills.estimate import Estimate, History
from ml_platform.operations.backfills.here import Done, Tell, run_here
from ml_platform.operations.backfills.selection import Asked, select, with_downstream
from ml_platform.operations.backfills.states import States
from ml_platform.operations.health import DAEMON_SILENCE
from ml_platform.provenance.catalog import Catalog
from ml_platform.settings import Settings

LOOKED_EVERY_SECONDS = 2.0
NO_TAGS: Mapping[str, str] = MappingProxyType({})
Parts = dict[str, tuple[str, ...]]


class Planned(NamedTuple):
    """What would be made: by asset, in so many runs, in backfills that follow one another."""

    title: str
    assets: Assets
    parts: Parts
    waves: list[Parts]
    runs: int
    looks: int
    estimate: Estimate
    left_out: tuple[str, ...]


class Backfills:
    """What can be asked of one platform."""

    def __init__(
        self,
        settings: Settings,
        instance: dg.DagsterInstance,
        catalogs: Sequence[Catalog],
        locations: Sequence[CodeLocation],
        *,
        here: bool = False,
    ) -> None:
        """Of the webserver, or `here`: of the `locations`, loaded into this process."""
        self._settings, self.instance, self._catalogs = settings, instance, catalogs
        self._locations, self._is_here = locations, here

    @contextmanager
    def api(self) -> Iterator[DagsterApi]:
        """Whoever knows the assets."""
        if self._is_here:
            with Here(self.instance, self._locations).api() as api:
                yield api
        else:
            yield Webserver(self._settings.dagster_url)

    def plan(
        self, api: DagsterApi, names: Sequence[str], asked: Asked, *, pipeline: str | None = None, downstream: bool
    ) -> Planned:
        """What would be made.

        Raises:
            WebserverUnreachableError: nobody answers.
            UnknownAssetError: there is no such asset, model, use case or pipeline.
            RunRequestError: no partitions were asked for, or some that no calendar has.
        """
        assets = read_assets(api)
        chosen = named(assets, names, pipeline, self._catalogs)
        states = States(self._settings, self.instance, self._catalogs)
        selected = select(assets, names, chosen, asked, states.partitions)
        parts = with_downstream(api, assets, selected.parts) if downstream else selected.parts
        return self._planned(" ".join(names), assets, parts, selected.left_out)

    def plan_left(self, api: DagsterApi, backfill: PartitionBackfill) -> Planned:
        """What is left of a backfill.

        Raises:
            BackfillStateError: it is not over, or nothing is left.
        """
        assets = read_assets(api)
        left = starting.require_left(self.instance, assets, backfill)
        parts = with_companions(assets, starting.in_order(assets, left))
        return self._planned(starting.resumed_title(backfill), assets, parts, ())

    def begin(self, api: DagsterApi, planned: Planned, tell: Tell, tags: Mapping[str, str] = NO_TAGS) -> list[str]:
        """Ids of the backfills that were begun; each but the last is waited for.

        Raises:
            BackfillStateError: one that others have to follow did not make everything.
        """
        begun: list[str] = []
        if not self._is_daemon_alive():
            tell("No daemon gives a sign of life: nothing is run before `make dev` is there.")
        for number, wave in enumerate(planned.waves, 1):
            title = planned.title if len(planned.waves) == 1 else f"{planned.title} {number} of {len(planned.waves)}"
            begun.append(starting.start(api, planned.assets, wave, title, tags))
            tell(f"Backfill {begun[-1]} began: {title}.")
            if number < len(planned.waves):
                self._wait(begun[-1], len(planned.waves) - number)
        return begun

    def resume(self, api: DagsterApi, backfill: PartitionBackfill, planned: Planned, tell: Tell) -> str:
        """Id of the backfill that goes on with it, over what was `planned` as left; the last of several.

        Raises:
            BackfillStateError: one that others have to follow did not make everything.
        """
        if len(planned.waves) > 1:
            return self.begin(api, planned, tell, starting.resumed_tags(backfill))[-1]
        return starting.resume(api, planned.assets, planned.parts, backfill)

    def do_here(self, api: DagsterApi, planned: Planned, tell: Tell, tags: Mapping[str, str] = NO_TAGS) -> list[Done]:
        """Each backfill done in this process; none follows one that did not make everything."""
        assert isinstance(api, InProcess), "locations are loaded into this process"
        done: list[Done] = []
        for wave in planned.waves:
            done.append(
                run_here(
                    self.instance,
                    api.graph,
                    self._locations,
                    planned.assets,
                    wave,
                    title=planned.title,
                    tags=tags,
                    tell=tell,
                )
            )
            if done[-1].failures:
                break
        return done

    def _planned(self, title: str, assets: Assets, parts: Parts, left_out: tuple[str, ...]) -> Planned:
        waves = plan.waves(assets, parts, self._catalogs)
        runs = [run for wave in waves for run in plan.runs(assets, wave)]
        estimate = History(self.instance).estimate(assets, runs)
        looks = sum(plan.looks(assets, wave) for wave in waves)
        return Planned(title, assets, parts, waves, len(runs), looks, estimate, left_out)

    def _is_daemon_alive(self) -> bool:
        heartbeats = [each.timestamp for each in self.instance.get_daemon_heartbeats().values()]
        return bool(heartbeats) and time.time() - max(heartbeats) < DAEMON_SILENCE.total_seconds()

    def _wait(self, backfill_id: str, others: int) -> None:
        """Return once it has made everything."""
        while True:
            backfill = self.instance.get_backfill(backfill_id)
            if backfill is not None and backfill.status in BULK_ACTION_TERMINAL_STATUSES:
                break
            time.sleep(LOOKED_EVERY_SECONDS)
        if backfill.status is not BulkActionStatus.COMPLETED_SUCCESS:
            raise BackfillStateError(
                f"Backfill {backfill_id} did not make everything: {backfill.status.value.lower().replace('_', ' ')}",
                kept=f"{others} that were to follow it were not begun.",
                remedy=f"Mend the cause, `ml-platform backfill resume {backfill_id}`, then ask for the rest again with "
                "--missing.",
            )
