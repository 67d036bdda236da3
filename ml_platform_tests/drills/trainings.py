"""A training whose fit is killed, whose checkpoint is spoilt, and whose MLflow is away.

Belongs here: what is done to a training, and what became of its model. Does not: the toy model (`toy_location`).
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.error import URLError
from urllib.request import urlopen

from dagster._core.storage.dagster_run import DagsterRunStatus

from ml_platform.local_servers.ports import LOOPBACK, free_ports
from ml_platform.operations.settling import settle
from ml_platform.operations.state_alerts import tracking_alerts
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.training.records import ModelVersion, TrainedModel
from ml_platform.training.search import propose
from ml_platform_tests.drills.drill import Drill, DrillResult
from ml_platform_tests.drills.platform import Platform, platform, until
from ml_platform_tests.faults.driver import MONTH
from ml_platform_tests.faults.fuses import Fault, fuse, lay
from ml_platform_tests.faults.toy_location import CONFIG
from ml_platform_tests.training.scenario import departures, publish

Record = TypeVar("Record", TrainedModel, ModelVersion)
ALL_OF_IT = "one run with one model"
TRAIN_AND_REGISTER = "train_toy_delay"
SENSOR_SECONDS = 900.0


def fit_killed(folder: Path) -> DrillResult:
    """The process of the final fit dies after 16 of 20 iterations; the worker lives."""
    return _fit_struck(folder, "kill", "kill -9 of the step of a final fit, after 16 of 20 iterations")


def worker_of_fit_killed(folder: Path) -> DrillResult:
    """The worker dies, and its step with it."""
    return _fit_struck(folder, "kill_parent", "kill -9 of the worker of a training, after 16 of 20 iterations")


def checkpoint_spoilt(folder: Path) -> DrillResult:
    """The newest checkpoint is cut short, and the fit dies."""
    return _fit_struck(folder, "spoil_and_kill", "the newest checkpoint is cut short, then kill -9 of the fit")


def mlflow_away(folder: Path) -> DrillResult:
    """The MLflow server is killed before the training starts, and comes back after it."""
    port = free_ports(1)[0]
    environment = {"ML_PLATFORM_MLFLOW_TRACKING_URI": f"http://{LOOPBACK}:{port}", "ML_PLATFORM_STEP_RETRIES": "0"}
    _prepare(folder / "home")
    with platform(folder, environment=environment) as p:
        p.until_over(p.queue(TRAIN_AND_REGISTER, MONTH))
        away = _record(p, TrainedModel, "delay_model")
        (waiting,) = MlflowTracking.from_settings(p.settings).journal.pending()
        center = AlertCenter(p.settings)
        raised = settle(center, "tracking_down", tracking_alerts([waiting]), "")
        with _mlflow(folder, port):
            since = time.monotonic()
            until("the version is registered", lambda: _exists(p, "delay_model_version"), SENSOR_SECONDS)
            seconds = time.monotonic() - since
            version = _record(p, ModelVersion, "delay_model_version")
            tracking = MlflowTracking.from_settings(p.settings)
            told, left = _told(tracking, version), tracking.journal.pending()
        ended = settle(center, "tracking_down", tracking_alerts(left), "MLflow was told.")
    return DrillResult(
        fault="MLflow is away for a whole training, then back",
        what_happened=f"the model is trained and evaluated; {waiting.entries} entries waited, then {told}; the sensor "
        "has the version registered",
        attempts=2,
        seconds_to_recovery=seconds,
        recomputed="the step that registers",
        served="the champion before",
        alerts=f"{raised} raised, {ended} ended",
        lost="" if (away.sha256, left, told) == (version.sha256, [], ALL_OF_IT) else f"{left} {told}",
    )


def _fit_struck(folder: Path, fault: Fault, name: str) -> DrillResult:
    _prepare(folder / "home")
    rates = {trial.parameters.get("learning_rate") for trial in propose(CONFIG.parameters, CONFIG.search, CONFIG.seed)}
    with platform(folder) as p:
        paths = [fuse(p.home, rate, CONFIG.iterations) for rate in rates]
        for path in paths:
            lay(path, fault)
        run_id = p.queue("train_model", MONTH)
        until("the fuse burns", lambda: any(path.with_suffix(".burnt").exists() for path in paths))
        since = time.monotonic()
        runs = p.until_over(run_id)
        seconds = time.monotonic() - since
        model = _record(p, TrainedModel, "delay_model")
        assert model.resumption is not None
        alerts, attempts = p.alerts(), p.attempts(runs)
    succeeded = runs[-1].status is DagsterRunStatus.SUCCESS
    resumed = model.resumption
    return DrillResult(
        fault=name,
        what_happened="begun again by itself" + (", in a retry of the run" if len(runs) > 1 else ", in the same run"),
        attempts=attempts,
        seconds_to_recovery=seconds,
        recomputed=f"{CONFIG.iterations - resumed.from_iteration} of {CONFIG.iterations} iterations; no trial",
        served="the champion before",
        alerts=alerts,
        lost="" if succeeded and model.sha256 == _undisturbed(folder) else "the model is another one",
    )


def _undisturbed(folder: Path) -> str:
    """Hash of the model that nothing disturbed, trained in a platform of its own."""
    _prepare(folder / "undisturbed" / "home")
    with platform(folder / "undisturbed") as p:
        p.until_over(p.queue("train_model", MONTH))
        return _record(p, TrainedModel, "delay_model").sha256


def _prepare(home: Path) -> None:
    publish(TableStore.from_settings(Settings(home=home)), departures(days=60, each_day=30))


def _artifacts(p: Platform) -> ObjectStore:
    return ObjectStore(p.settings.artifact_uri)


def _exists(p: Platform, asset: str) -> bool:
    return _artifacts(p).exists(f"records/toy/{asset}/{MONTH}.json")


def _record(p: Platform, kind: type[Record], asset: str) -> Record:
    return kind.model_validate_json(_artifacts(p).read(f"records/toy/{asset}/{MONTH}.json"))


def _told(tracking: MlflowTracking, version: ModelVersion) -> str:
    """What MLflow has of the training."""
    from ml_platform.tracking._client import client

    store = client(tracking.tracking_uri)
    experiments = [each.experiment_id for each in store.search_experiments()]
    runs, models = store.search_runs(experiments), store.search_logged_models(experiments)
    is_one = [run.info.run_id for run in runs] == [version.mlflow_run_id] and len(models) == 1
    return ALL_OF_IT if is_one else f"{len(runs)} runs with {len(models)} models"


@contextmanager
def _mlflow(folder: Path, port: int) -> Iterator[None]:
    """An MLflow server, gone at the end of the block."""
    store = f"sqlite:///{folder}/mlflow.db"
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", "server", "--backend-store-uri", store]
    options = ["--port", str(port), "--host", LOOPBACK, "--workers", "1"]
    with (folder / "mlflow.log").open("wb") as log:
        server = subprocess.Popen([*command, *options], stdout=log, stderr=log, start_new_session=True)
        try:
            until("MLflow answers", lambda: _answers(port))
            yield
        finally:
            _end(server)


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _end(server: "subprocess.Popen[bytes]") -> None:
    import psutil

    for child in psutil.Process(server.pid).children(recursive=True):
        child.kill()
    server.kill()
    server.wait()


DRILLS = [
    Drill("fit_killed", fit_killed),
    Drill("worker_of_fit_killed", worker_of_fit_killed),
    Drill("checkpoint_spoilt", checkpoint_spoilt),
    Drill("mlflow_away", mlflow_away),
]
