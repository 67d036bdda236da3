"""The profile `server` on this machine, each of whose processes is killed while a fit is at work at a worker.

Belongs here: what is killed, and what became of the run. Does not: the processes (`local_servers`), the toy model.
"""

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import dagster as dg
import psutil
import sqlalchemy as db
from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus

from ml_platform.execution.launch import RunRequest, queue_job
from ml_platform.local_servers.dagster_processes import DagsterProcesses, dagster_processes
from ml_platform.local_servers.ports import free_ports
from ml_platform.local_servers.process_trees import family
from ml_platform.local_servers.rabbitmq import require_installed
from ml_platform.local_servers.together import all_servers
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.training.records import ModelVersion
from ml_platform.training.search import propose
from ml_platform_tests.drills.drill import Drill, DrillResult
from ml_platform_tests.drills.platform import PATIENCE_SECONDS, in_environment, is_over, until
from ml_platform_tests.drills.toy_location import TOY
from ml_platform_tests.faults.driver import MONTH
from ml_platform_tests.faults.fuses import fuse, lay
from ml_platform_tests.faults.toy_location import CONFIG
from ml_platform_tests.training.scenario import departures, publish

Part = Literal["worker", "broker", "postgres", "object store", "mlflow", "code server", "daemon"]
PARTS: tuple[Part, ...] = ("worker", "broker", "postgres", "object store", "mlflow", "code server", "daemon")
TRAIN_AND_REGISTER = "train_toy_delay"
_FOLDERS: Mapping[Part, str] = {
    "broker": "rabbitmq",
    "postgres": "postgres",
    "object store": "s3",
    "mlflow": "mlflow",
}


class Outcome(NamedTuple):
    """What became of one training: its runs, the version that it registered, and what the log says of the fault."""

    runs: list[DagsterRun]
    version: ModelVersion
    from_iteration: int
    attempts: int
    seconds: float


class Cluster:
    """The processes, from outside."""

    def __init__(self, home: Path, dagster: DagsterProcesses) -> None:
        self.home, self._dagster = home, dagster
        self.instance = dg.DagsterInstance.from_config(str(PROJECT_ROOT))

    def process_id(self, part: Part, step_process: int) -> int:
        """The process that all of it hangs on; of the workers, that of the one that has the step."""
        if part == "code server":
            return self._dagster.process_ids["toy"]
        if part == "daemon":
            return self._dagster.process_ids["daemon"]
        if part != "worker":
            return self._word(_FOLDERS[part])
        above = {each.pid for each in psutil.Process(step_process).parents()}
        return next(pid for name in ("one", "two") if (pid := self._word(f"workers/{name}")) in above)

    def train(self, part: Part | None) -> Outcome:
        """A training from nothing, `part` killed after 16 of 20 iterations of its final fit."""
        self._forget()
        trials = propose(CONFIG.parameters, CONFIG.search, CONFIG.seed)
        rates = {trial.parameters.get("learning_rate") for trial in trials}
        paths = [fuse(self.home, rate, CONFIG.iterations) for rate in rates]
        for path in paths:
            lay(path, "wait")
        run_id = queue_job(self.instance, RunRequest(TOY, TRAIN_AND_REGISTER, partitions=MONTH)).run_id
        burnt = until(
            "the fit waits", lambda: next((b for p in paths if (b := p.with_suffix(".burnt")).exists()), None)
        )
        if part:
            kill(self.process_id(part, int(burnt.read_text())))
        since = time.monotonic()
        burnt.unlink()
        runs = until("the run and its retries are over", partial(self._over, run_id), PATIENCE_SECONDS)
        seconds = time.monotonic() - since
        version = until("the version is registered", self._version, PATIENCE_SECONDS)
        return Outcome(runs, version, self._resumed_from(), self._attempts(runs), seconds)

    def versions(self) -> int:
        """How many versions the registry has."""
        from ml_platform.tracking._client import client

        return len(client(MlflowTracking.from_settings(Settings()).tracking_uri).search_model_versions())

    def _word(self, folder: str) -> int:
        _, process_id, _ = json.loads((self.home / "servers" / folder / "running.json").read_text())
        return int(process_id)

    def _over(self, run_id: str) -> list[DagsterRun]:
        with suppress(db.exc.DBAPIError):  # the history may be what was killed
            run = self.instance.get_run_by_id(run_id)
            assert run is not None, "it was queued"
            retries = self.instance.get_runs(dg.RunsFilter(tags={"dagster/root_run_id": run_id}), ascending=True)
            runs = [run, *retries]
            if is_over(runs[-1]):
                return runs
        return []

    def _version(self) -> ModelVersion | None:
        path, artifacts = f"records/toy/delay_model_version/{MONTH}.json", self._artifacts
        return ModelVersion.model_validate_json(artifacts.read(path)) if artifacts.exists(path) else None

    def _resumed_from(self) -> int:
        from ml_platform.training.records import TrainedModel

        record = self._artifacts.read(f"records/toy/delay_model/{MONTH}.json")
        resumption = TrainedModel.model_validate_json(record).resumption
        return resumption.from_iteration if resumption else 0

    def _attempts(self, runs: list[DagsterRun]) -> int:
        again = dg.DagsterEventType.STEP_UP_FOR_RETRY
        return len(runs) + sum(len(self.instance.all_logs(run.run_id, of_type=again)) for run in runs)

    @property
    def _artifacts(self) -> ObjectStore:
        return StorageLocation.of(Settings()).artifacts()

    def _forget(self) -> None:
        for prefix in ("training", "models", "records"):
            for each in self._artifacts.list(prefix):
                self._artifacts.delete(each.path)


def kill(process_id: int) -> None:
    """Kill the server and all processes below it at once; below a daemon are the workers of its runs."""
    for each in family(process_id):
        with suppress(ProcessLookupError):
            os.kill(each.pid, signal.SIGKILL)


def servers_killed(folder: Path) -> list[DrillResult]:
    """Each part killed in turn, on one platform, against a training that nothing disturbed."""
    require_installed()
    with cluster(folder) as c:
        undisturbed = c.train(None)
        return [_result(c, part, undisturbed) for part in PARTS]


def _result(c: Cluster, part: Part, undisturbed: Outcome) -> DrillResult:
    found = c.train(part)
    same = found.version.sha256 == undisturbed.version.sha256
    versions = c.versions()
    differing = {
        "the run failed": found.runs[-1].status is not DagsterRunStatus.SUCCESS,
        "the model is another one": not same,
        f"{versions} versions are registered": versions != 1,
    }
    return DrillResult(
        fault=f"kill -9 of the {part} while a fit is at work at a worker, after 16 of 20 iterations (`make cluster`)",
        what_happened=_WHAT_HAPPENS[part],
        attempts=found.attempts,
        seconds_to_recovery=found.seconds,
        recomputed=f"{CONFIG.iterations - found.from_iteration} of {CONFIG.iterations} iterations; no trial"
        if found.from_iteration
        else "nothing",
        served="the champion before",
        lost=", ".join(what for what, applies in differing.items() if applies),
    )


_WHAT_HAPPENS: Mapping[Part, str] = {
    "worker": "the broker hands its step to the other worker, which tells of the loss; the fit is resumed there",
    "broker": "it is started again with its messages; the worker hands the step back, and begins it again",
    "postgres": "it is started again; whoever asks meanwhile asks again",
    "object store": "it is started again; the store's patience or the step's retries bridge it",
    "mlflow": "it is started again; what needs its answer meanwhile is tried again",
    "code server": "it is started again; the run does not notice",
    "daemon": "the run's worker dies with it; a new daemon retries the run, whose steps at workers are ended before",
}


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """The whole profile `server`, with the toy location, on a home in `folder`."""
    home = folder / "home"
    toy = {"module_name": TOY.module, "location_name": TOY.name, "attribute": "defs"}
    with all_servers(Settings(home=home)) as told, in_environment({**told, **_BRISK}):
        publish(StorageLocation.of(Settings()).tables(), departures(days=60, each_day=30))
        with dagster_processes(home / "servers" / "dagster", told | _BRISK, free_ports(1)[0], [toy]) as dagster:
            yield Cluster(home, dagster)


_BRISK = {"DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1", "PYTHONPATH": str(PROJECT_ROOT)}


DRILLS = [Drill("servers_killed", servers_killed)]
