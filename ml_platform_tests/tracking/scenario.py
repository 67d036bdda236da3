"""A tracking store with its schema in place, copied from one that is made once a session."""

import hashlib
import multiprocessing
import shutil
from multiprocessing.context import ForkServerContext
from pathlib import Path

from ml_platform.settings import Settings
from ml_platform.tracking.models import TabularModel, dumps
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.tracking.runs import RunKey

PRELOADED = "ml_platform_tests.tracking.preloaded"
KEY = RunKey(root_run_id="root", run_id="root", asset="flights/delay_model", partition="2013-10-01")


def tracking_in(folder: Path) -> MlflowTracking:
    """Tracking whose SQLite store and artifacts are in `folder`."""
    return MlflowTracking.from_settings(Settings(home=folder))


def copy_store(template: Path, folder: Path) -> MlflowTracking:
    """Tracking in `folder` that starts as a copy of the store in `template`."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    return tracking_in(folder)


def opened(tracking: MlflowTracking, key: RunKey = KEY) -> str:
    """Id of the MLflow run of `key`."""
    return tracking.open_run(key, experiment="flights_delay", run_name="2013-10")


def logged(tracking: MlflowTracking, run_id: str, model: TabularModel) -> str:
    """MLflow's URI of a model whose bytes are stored."""
    artifacts, data = tracking.location.artifacts(), dumps(model)
    artifacts.write("models/m.skops", data)
    sha256 = hashlib.sha256(data).hexdigest()
    return tracking.log_model(run_id, "flights_delay", uri=artifacts.uri_of("models/m.skops"), sha256=sha256)


def fresh_processes() -> ForkServerContext:
    """Processes that share no memory with this one; the first pays for importing MLflow and scikit-learn."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context
