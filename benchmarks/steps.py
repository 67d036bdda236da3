"""Seconds that an isolated step costs before and besides its work, by how its process is made.

A run of a few steps, one after the other, in the training location's shape: each step needs the location's libraries.
Three ways: spawned; forked from a server that has imported the definitions; forked from one that has imported
everything. The first step of a run waits for its server and is shown apart. Run with `python benchmarks/steps.py`.
"""

import importlib
import multiprocessing.forkserver
import os
import statistics
import tempfile
from typing import NamedTuple

import dagster as dg

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


def costs(instance: dg.DagsterInstance, job_name: str) -> list[StepCost]:
    """What each step of one run cost, in the order of the steps."""
    run = run_job(instance, RunRequest(HERE, job_name))
    times: dict[str, dict[str, float]] = {}
    for entry in instance.all_logs(run.run_id):
        if entry.step_key and entry.is_dagster_event:
            times.setdefault(entry.step_key, {})[entry.get_dagster_event().event_type_value] = entry.timestamp
    return [
        StepCost(at["STEP_START"] - at["STEP_WORKER_STARTING"], at["STEP_SUCCESS"] - at["STEP_WORKER_STARTING"])
        for at in times.values()
    ]


def main() -> None:
    """Print one line for each way of making processes."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ML_PLATFORM_HOME"] = folder
        instance = open_instance()
        for job in ("spawned", "forked_with_definitions", "forked_with_everything"):
            multiprocessing.forkserver._forkserver._stop()  # type: ignore[attr-defined]
            first, *rest = costs(instance, job)
            to_start, to_success = (statistics.median(column) for column in zip(*rest, strict=True))
            print(
                f"{job}: {to_start:.2f} s to start, {to_success:.2f} s to success (median of {len(rest)};"
                f" first of the run {first.to_start:.1f} s)"
            )


if __name__ == "__main__":
    main()
