"""A model that is logged to MLflow, registered and promoted: a SQLite store, and artifacts on the object store."""

import datetime as dt
import hashlib

from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.tracking.models import dumps
from ml_platform.tracking.registry import RegisteredModel
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.tracking.runs import RunKey
from ml_platform_tests.faults.operation import ABSENT, Operation, Seen, digest
from ml_platform_tests.tracking.test_models import fitted

NAME = "toy_delay"
PREPARED = "models/toy/prepared.skops"
MONTHS = [dt.date(2013, 10, 1), dt.date(2013, 11, 1)]


def _register_and_promote(settings: Settings, month: dt.date) -> RegisteredModel:
    """As a run of training and one of serving do; a second time, nothing is made twice."""
    artifacts = StorageLocation.of(settings).artifacts()
    data, uri = artifacts.read(PREPARED), artifacts.uri_of(PREPARED)
    tracking, key = MlflowTracking.from_settings(settings), RunKey(f"{month}", f"{month}", "toy/model", f"{month}")
    sha256 = hashlib.sha256(data).hexdigest()
    run_id = tracking.open_run(key, experiment="toy", run_name=f"{month}")
    mlflow_uri = tracking.log_model(run_id, "model", uri=uri, sha256=sha256)
    tracking.close_run(run_id)
    version = tracking.registry.register(
        NAME,
        run_id=run_id,
        model_uri=uri,
        sha256=sha256,
        as_of=month,
        fingerprint=f"fingerprint of {month}",
        gate="approved",
        mlflow_uri=mlflow_uri,
        snapshot={"toy/features": month.month},
    )
    return tracking.registry.promote(NAME, version.version, "better")


def _october(settings: Settings) -> None:
    StorageLocation.of(settings).artifacts().write(PREPARED, dumps(fitted()))
    _register_and_promote(settings, MONTHS[0])


def _november(settings: Settings) -> str:
    promoted = _register_and_promote(settings, MONTHS[1])
    return str((promoted.version, promoted.gate, promoted.is_promoted, promoted.aliases))


def _see(settings: Settings) -> Seen:
    """Who answers for December, and who is champion."""
    registry = MlflowTracking.from_settings(settings).registry
    answers, champion = registry.champion(NAME, dt.date(2013, 12, 1)), registry.champion(NAME)
    return {"predicts": _told(answers), "champion": _told(champion)}


def _told(model: RegisteredModel | None) -> str:
    if model is None:
        return ABSENT
    return f"version {model.version} of {model.as_of}, {model.gate}, {digest(model.sha256)}"


OPERATIONS = {"register and promote a model": Operation(_october, _november, _see)}
