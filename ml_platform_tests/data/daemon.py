"""The data location of flights, driven by Dagster's own daemon code in this process: sensors, backfills and their runs.

Belongs here: the loop of the daemon, and what it had run. Does not: what is expected of it (the tests).
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    SENSOR_NAME_TAG,
)
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon import backfill, sensor

from ml_platform.data.pipeline import build_pipeline
from ml_platform.settings import Settings
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.data.test_pipeline import pipeline, use_case
from ml_platform_tests.execution.instances import queueing_instance
from ml_platform_tests.execution.locations import InThisProcess

LONG_AGO = 1_600_000_000.0
MOST_ROUNDS = 12
_QUEUED = RunsFilter(statuses=[DagsterRunStatus.QUEUED])
_OPEN_BACKFILLS = BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])


class Made(NamedTuple):
    """One run that the daemon launched: the last parts of the keys of its tables, its days, and how it ended."""

    tables: tuple[str, ...]
    days: str
    is_success: bool
    asked_by: str


def build_location() -> dg.Definitions:
    """The data location, with tables and landing zone where the environment says."""
    resources = dg.Definitions(resources=storage_resources(Settings()), executor=dg.in_process_executor)
    return dg.Definitions.merge(build_pipeline(pipeline(), use_case()), resources)


class Daemon:
    """The loops of the sensor daemon and of the backfill daemon, and a queue whose runs are executed one by one."""

    def __init__(self, workspace: WorkspaceProcessContext) -> None:
        """Nothing was evaluated yet."""
        self.workspace, self.instance = workspace, workspace.instance
        self.known = {run.run_id for run in self.instance.get_runs()}

    def round(self) -> list[Made]:
        """Each sensor that is on evaluated, each open backfill looked at, and the runs that were asked for."""
        logger = logging.getLogger("daemon")
        errors = chain(
            sensor.execute_sensor_iteration(self.workspace, logger, None, None),
            backfill.execute_backfill_iteration(self.workspace, logger),
        )
        for error in filter(None, errors):
            raise AssertionError(error.to_string())
        for run in self.instance.get_runs(_QUEUED)[::-1]:
            self.instance.launch_run(run.run_id, self.workspace.create_request_context())
        return self.new_runs()

    def settle(self) -> list[Made]:
        """The runs of as many rounds as it takes until nothing happens any more."""
        made: list[Made] = []
        quiet = 0
        for _ in range(MOST_ROUNDS):
            done = self.round()
            made += done
            is_open = bool(self.instance.get_backfills(_OPEN_BACKFILLS))
            quiet = 0 if done or is_open else quiet + 1
            if quiet == 2:  # a sensor that waited for another looks once more
                return made
        raise AssertionError(f"it does not come to rest: {made}")

    def new_runs(self) -> list[Made]:
        """The runs that were not there at the last look, the oldest first."""
        runs = [run for run in self.instance.get_runs() if run.run_id not in self.known][::-1]
        self.known |= {run.run_id for run in runs}
        return [_made(run) for run in runs]


@contextmanager
def daemon(home: Path) -> Iterator[Daemon]:
    """A daemon on an instance in a folder."""
    with (
        queueing_instance(home / "dagster") as instance,
        WorkspaceProcessContext(instance, InThisProcess(__name__)) as workspace,
    ):
        yield Daemon(workspace)


def age(landing: Path) -> None:
    """Let what landed have been written long ago."""
    for path in landing.rglob("*.csv"):
        os.utime(path, (LONG_AGO, LONG_AGO))


def _made(run: DagsterRun) -> Made:
    tags = (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG, PARTITION_NAME_TAG)
    ends = dict.fromkeys(run.tags[tag] for tag in tags if tag in run.tags)
    tables = sorted({key.path[-1] for key in run.asset_selection or ()})
    is_success = run.status is DagsterRunStatus.SUCCESS
    return Made(tuple(tables), " to ".join(ends), is_success, run.tags.get(SENSOR_NAME_TAG, ""))
