"""The MLflow client: imported late, quiet, and safe when several processes use a new store at once.

Belongs here: getting a client. Does not: what is recorded with it.

Importing mlflow costs about 4 s of CPU, its SQL store 2 s more, a new schema 2 s once: nothing is imported before use.
"""

import fcntl
import hashlib
import importlib
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.tracking import s3_artifacts
from ml_platform.tracking.reaching import told, unreachable

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_SQLITE = "sqlite:///"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    # a request to nobody ends after some seconds and one to a silent server after half a minute; MLflow's own defaults
    # take minutes, and what is to be recorded can wait elsewhere
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
_MODULES = (
    "alembic.command",
    "dagster_mlflow",
    "mlflow.pyfunc",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
)


def import_quietly() -> None:
    """Import mlflow, dagster-mlflow and MLflow's SQL store without their banners and deprecation warnings.

    For the forkserver's preload list too: it creates nothing and contacts nothing.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in _MODULES:
            importlib.import_module(module)


def client(tracking_uri: str) -> "MlflowClient":
    """A client of the store at `tracking_uri`; one for each process and store. A new SQLite store gets its schema."""
    return _client_of(tracking_uri, os.getpid())


@cache
def _client_of(tracking_uri: str, _process: int) -> "MlflowClient":
    import_quietly()
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    s3_artifacts.install()
    with exclusively(tracking_uri), _without_warnings():
        if tracking_uri.startswith(_SQLITE):
            _prepare_file(Path(tracking_uri.removeprefix(_SQLITE)))
        made = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        try:
            made.search_registered_models(max_results=1)  # the registry's own tables are checked on its first use
        except MlflowException as error:
            raise unreachable(tracking_uri, told(error)) from error
    return made


@contextmanager
def exclusively(tracking_uri: str) -> Iterator[None]:
    """Hold the lock of the store among the processes of this machine: for look-up-then-create."""
    name = hashlib.sha256(tracking_uri.encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"ml-platform-mlflow-{os.getuid()}-{name}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _prepare_file(path: Path) -> None:
    """Readers do not wait for writers, and a commit does not wait for the disk twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=60)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()
