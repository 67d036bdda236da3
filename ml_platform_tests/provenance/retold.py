"""A toy model trained, registered and used for predictions without Dagster: what `reproduce` starts from."""

import datetime as dt
import json
from pathlib import Path
from typing import NamedTuple

import polars as pl

from ml_platform.provenance.reproduce import Declared, reproduce
from ml_platform.provenance.reproduction import Reproduction
from ml_platform.serving.component import Deployment
from ml_platform.serving.scoring import score_by_day
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.pins import Pins
from ml_platform.tracking.registry import RegisteredModel
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.training.records import Preparation, TrainedModel
from ml_platform.training.search import Proposal, promote, propose
from ml_platform.training.splits import windows_at
from ml_platform.training.training_run import (
    TrainingRun,
    import_before_forking,
    origin_of,
    trained_model,
    training_fingerprint,
)
from ml_platform.training.training_set import build_matrices, read_rows, resolve_inputs, write_matrices
from ml_platform_tests.tracking.scenario import copy_store, opened
from ml_platform_tests.training.scenario import MARCH, departures, publish, toy_model

DAYS = ["2013-03-01", "2013-03-02", "2013-03-03"]
KEYS = ["service_date", "flight"]
CONFIG = toy_model()
DEPLOYMENT = Deployment.model_validate(
    {
        "champion": {
            "name": "champion",
            "description": "Who answers.",
            "model_version": "delay_model_version",
            "registered_model": "toy_delay",
        },
        "predictions": {
            "name": "predictions",
            "description": "One departure.",
            "features": "features",
            "contract": "contract:Features",
            "partition_column": "service_date",
            "row": "departure",
        },
        "quality": {"name": "quality", "description": "One day.", "labels": "labels", "label_column": "is_late"},
    }
)


class World(NamedTuple):
    """A home with one registered version that predicted three days."""

    settings: Settings
    model: TrainedModel
    registered: RegisteredModel

    @property
    def location(self) -> StorageLocation:
        return StorageLocation.of(self.settings)

    def again(self) -> Reproduction:
        """The version made again, with the code as it is here."""
        return reproduce(self.settings, "toy_delay", 1, declared=Declared(CONFIG, DEPLOYMENT), code="current")

    def files(self) -> dict[str, bytes]:
        """Every file of tables and artifacts."""
        folders = (self.settings.home / name for name in ("lake", "artifacts"))
        return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}

    def publish_predictions(self, frame: pl.DataFrame, features_version: int) -> None:
        """Publish predictions as the io manager does, with the version of the features that they were made from."""
        commit = {"read_versions": json.dumps({"toy/features": features_version})}
        tables = self.location.tables()
        days = [str(day) for day in frame["service_date"].unique().sort()]
        tables.publish("toy/predictions", frame, days, key="service_date", sort_by=KEYS, commit=commit)


def build_world(store: Path, folder: Path) -> World:
    """The world in `folder`, whose registry begins as a copy of `store`."""
    tracking, settings = copy_store(store, folder), Settings(home=folder)
    location = StorageLocation.of(settings)
    publish(location.tables(), departures(days=70, each_day=30))
    model = _trained(location, opened(tracking))
    world = World(settings, model, _registered(tracking, model))
    world.publish_predictions(_predictions(world), 0)
    return world


def _trained(location: StorageLocation, mlflow_run_id: str) -> TrainedModel:
    """The model as the asset makes it: trials in processes of their own, then the final fit."""
    import_before_forking()
    inputs = resolve_inputs(Pins(location.artifacts(), location.tables(), "run"), "toy", CONFIG, MARCH)
    windows = windows_at(MARCH, "America/New_York", CONFIG.windows)
    fingerprint = training_fingerprint(CONFIG, inputs, windows)
    run = TrainingRun(location.artifacts(), "toy", CONFIG, fingerprint)
    write_matrices(
        run.objects, build_matrices(read_rows(location.tables(), inputs, CONFIG, None, MARCH), windows, CONFIG)
    )
    first = [run.trial(each, 3) for each in propose(CONFIG.parameters, CONFIG.search, CONFIG.seed)]
    kept = [Proposal(number=each.number, parameters=each.parameters) for each in promote(first, 2)]
    second = [run.trial(each, 6) for each in kept]
    fitted = run.fit_winner(second, lambda step: None)
    preparation = Preparation(
        fingerprint=fingerprint,
        as_of=MARCH,
        mlflow_run_id=mlflow_run_id,
        inputs=inputs,
        windows=windows,
        is_done=False,
    )
    model = trained_model(preparation, fitted, origin_of("toy", CONFIG, "run"))
    model = model.model_copy(update={"trials": (*first, *second)})
    run.finish(model)
    return model


def _registered(tracking: MlflowTracking, model: TrainedModel) -> RegisteredModel:
    return tracking.registry.register(
        "toy_delay",
        run_id=model.mlflow_run_id,
        model_uri=model.uri,
        sha256=model.sha256,
        as_of=model.as_of,
        fingerprint=model.fingerprint,
        gate="approved",
        snapshot=model.snapshot,
    )


def _predictions(world: World) -> pl.DataFrame:
    from ml_platform.tracking.models import loads
    from ml_platform.training.evaluating import read_model

    features = world.location.tables().scan("toy/features", version=0, partitions=DAYS).collect()
    fitted = loads(read_model(world.location.artifacts(), world.model.uri), world.model.sha256)
    champions = {dt.date.fromisoformat(day): world.registered for day in DAYS}
    return score_by_day(features, champions, lambda _: fitted, day_column="service_date", keys=KEYS)
