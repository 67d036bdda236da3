"""Seconds that an isolated step costs before and besides its work, by how its process is made.

A run of a few steps, one after the other, in the training location's shape: each step needs the location's libraries.
Three ways: spawned; forked from a server that has imported the definitions; forked from one that has imported
everything. The first step of a run waits for its server and is shown apart.
"""

import importlib
import multiprocessing.forkserver
import statistics
from pathlib import Path
from typing import NamedTuple

import dagster as dg

from benchmarks.homes import QUIET, at_home
from benchmarks.readings import Reading
from ml_platform.execution.executors import isolated_executor
from ml_platform.execution.instance import open_instance
from ml_platform.execution.launch import CodeLocation, RunRequest, run_job
from ml_platform.settings import Settings

LIBRARIES = (
    "polars",
    "deltalake",
    "dataframely",
    "sklearn.ensemble",
    "optuna",
    "skops.io",
    "mlflow",
    "matplotlib.pyplot",
)
SECONDS_TO_START = 0.5
HERE = CodeLocation("benchmark", "benchmarks.steps")


class StepCost(NamedTuple):
    """Seconds from launching a step's process."""

    to_start: float
    to_success: float


@dg.op
def start() -> int:
    """The first step."""
    return 0


@dg.op
def import_libraries(before: int) -> int:
    """A step that needs the libraries and does nothing with them."""
    for library in LIBRARIES:
        importlib.import_module(library)
    return before + 1


def chain(name: str, executor: dg.ExecutorDefinition, length: int) -> dg.JobDefinition:
    """A job of a first step and `length` more, one after the other."""

    @dg.job(name=name, executor_def=executor)
    def steps() -> None:
        value = start()
        for number in range(length):
            value = import_libraries.alias(f"step_{number}")(value)

    return steps


def stock(start_method: str) -> dg.ExecutorDefinition:
    """Dagster's own executor with one of its start methods."""
    return dg.multiprocess_executor.configured({"start_method": {start_method: {}}}, name=start_method)


defs = dg.Definitions(
    jobs=[
        chain("spawned", stock("spawn"), 1),
        chain("forked_with_definitions", stock("forkserver"), 3),
        chain("forked_with_everything", isolated_executor(Settings(), [HERE.module]), 5),
    ]
)


def costs(instance: dg.DagsterInstance, job_name: str, location: CodeLocation = HERE) -> list[StepCost]:
    """What each step of one run cost, in the order of the steps."""
    run = run_job(instance, RunRequest(location, job_name, config=QUIET))
    times: dict[str, dict[str, float]] = {}
    for entry in instance.all_logs(run.run_id):
        if entry.step_key and entry.is_dagster_event:
            times.setdefault(entry.step_key, {})[entry.get_dagster_event().event_type_value] = entry.timestamp
    return [
        StepCost(at["STEP_START"] - at["STEP_WORKER_STARTING"], at["STEP_SUCCESS"] - at["STEP_WORKER_STARTING"])
        for at in times.values()
    ]


def measure_steps(work: Path, *, stock: bool) -> list[Reading]:
    """What a step costs when forked from a process that has everything, and with `stock` the two other ways."""
    jobs = ("spawned", "forked_with_definitions", "forked_with_everything")
    readings = list[Reading]()
    with at_home(work / "steps"), open_instance() as instance:
        for job in jobs if stock else jobs[-1:]:
            multiprocessing.forkserver._forkserver._stop()  # type: ignore[attr-defined]
            first, *rest = costs(instance, job)
            at_most = SECONDS_TO_START if job == jobs[-1] else None
            readings += readings_of(job.replace("_", " "), first, rest, at_most)
        multiprocessing.forkserver._forkserver._stop()  # type: ignore[attr-defined]
    return readings


def readings_of(how: str, first: StepCost, rest: list[StepCost], at_most: float | None = None) -> list[Reading]:
    """Medians of the steps after the first, whose start may take `at_most` seconds; and the first."""
    to_start, to_success = (statistics.median(column) for column in zip(*rest, strict=True))
    return [
        Reading(what=f"{how}: launch to start", value=to_start, at_most=at_most),
        Reading(what=f"{how}: launch to success", value=to_success),
        Reading(what=f"{how}: the first of a run, launch to start", value=first.to_start),
    ]
