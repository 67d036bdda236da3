"""A process that runs the toy model as it is told, so that a test can kill it and start another.

Belongs here: both ends of the pipe. Does not: faults (`fuses`), or expectations (the tests).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, Self

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.storage.tags import RESUME_RETRY_TAG

from ml_platform.errors import PlatformError
from ml_platform.execution.instance import open_instance
from ml_platform.execution.launch import RunRequest, run_job
from ml_platform.settings import PROJECT_ROOT

JOB, MONTH = "train_model", "2013-03-01"


class Attempt(NamedTuple):
    """How one run went: the steps that it started, what they logged, and what the user was told if it failed."""

    succeeded: bool
    steps: list[str]
    messages: list[str]
    error: str

    @property
    def saved(self) -> list[str]:
        """The checkpoints that the final fit told of."""
        return [message for message in self.messages if message.endswith("iterations are saved.")]


class Driver:
    """The process, from outside."""

    def __init__(self, home: Path) -> None:
        self.home = home
        environment = {
            **os.environ,
            "ML_PLATFORM_HOME": str(home),
            "ML_PLATFORM_MAX_PARALLEL_STEPS": "2",
            "ML_PLATFORM_RETRY_FIRST_SECONDS": "0.1",
        }
        command = [sys.executable, "-W", "ignore", "-m", __name__]
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def run(self) -> Attempt:
        """A new run."""
        return self._ask("run")

    def retry(self) -> Attempt:
        """The last run, retried from failure."""
        return self._ask("retry")

    def run_until_killed(self) -> int:
        """The exit code of the process that worked on the run."""
        self._send("run")
        code = self.process.wait(timeout=120)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        return code

    def _ask(self, what: str) -> Attempt:
        self._send(what)
        assert self.process.stdout is not None
        answer = next(line for line in self.process.stdout if line.startswith("ATTEMPT "))
        return Attempt(**json.loads(answer.removeprefix("ATTEMPT ")))

    def _send(self, what: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()


def main() -> None:
    """Do as each line says."""
    with open_instance() as instance:
        for line in sys.stdin:
            error = _run(instance) if line.strip() == "run" else _retry(instance)
            sys.stdout.write(f"ATTEMPT {json.dumps(_last_attempt(instance, error))}\n")
            sys.stdout.flush()


def _run(instance: dg.DagsterInstance) -> str:
    from ml_platform_tests.faults.toy_location import TOY

    try:
        run_job(instance, RunRequest(TOY, JOB, partitions=MONTH))
    except PlatformError as error:
        return str(error)
    return ""


def _retry(instance: dg.DagsterInstance) -> str:
    from ml_platform_tests.faults.toy_location import TOY

    failed = instance.get_runs(limit=1)[0]
    repository = ReconstructableRepository.for_module(TOY.module, TOY.attribute, str(PROJECT_ROOT))
    options = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
    tags = {**failed.tags, RESUME_RETRY_TAG: "true"}  # which the UI's button adds, and execute_job does not
    dg.execute_job(repository.get_reconstructable_job(JOB), instance, tags=tags, reexecution_options=options)
    return ""


def _last_attempt(instance: dg.DagsterInstance, error: str) -> dict[str, Any]:
    run = instance.get_runs(limit=1)[0]
    entries = instance.all_logs(run.run_id)
    started = [entry.step_key for entry in entries if entry.dagster_event and entry.dagster_event.is_step_start]
    told = [entry.user_message for entry in entries if not entry.is_dagster_event]
    return {"succeeded": run.is_success, "steps": started, "messages": told, "error": error}


if __name__ == "__main__":
    main()
