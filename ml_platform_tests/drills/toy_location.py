"""The drills' code location: the flights data pipeline, and a toy model, with a fuse before and after each publication.

Belongs here: what is run. Does not: what is done to it.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from ml_platform.data.pipeline import build_pipeline as build_data
from ml_platform.execution.executors import isolated_executor
from ml_platform.execution.launch import CodeLocation
from ml_platform.settings import Settings
from ml_platform.storage.io_managers import DeltaTableIOManager
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform.tracking.replaying import tell_mlflow_what_waited
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.training.pipeline import build_pipeline as build_training
from ml_platform_tests.data.test_pipeline import pipeline, use_case
from ml_platform_tests.drills.fuses import burn, fuse
from ml_platform_tests.faults.toy_location import CONFIG, MODEL
from ml_platform_tests.training.scenario import toy_use_case

TOY = CodeLocation("toy", __name__)
BUILD, BUILD_ISOLATED, TRAIN = "build_days", "build_flights_days", "train_model"
DAILY = ("raw", "weather_raw", "clean", "weather_clean", "delay_labels", "delay_features")


class FusedTables(DeltaTableIOManager):
    """Tables with a fuse `<table>:before` and `<table>:after` each publication."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> Iterator[Any]:  # type: ignore[override]
        """Publish, between two fuses."""
        name, home = "/".join(context.asset_key.path), Settings().home
        burn(fuse(home, f"{name}:before"))
        yield from super().handle_output(context, obj)
        burn(fuse(home, f"{name}:after"))


def build_definitions(settings: Settings) -> dg.Definitions:
    """`build_days` in the worker, as the data location runs it; the rest each step in a process, as training does."""
    tracking = MlflowTracking.from_settings(settings)
    resources = {**storage_resources(settings), "tracking": tracking}
    resources["tables"] = FusedTables(location=StorageLocation.of(settings))
    days = dg.AssetSelection.assets(*(["flights", name] for name in DAILY)).required_multi_asset_neighbors()
    jobs = [
        dg.define_asset_job(BUILD, days, executor_def=dg.in_process_executor),
        dg.define_asset_job(TRAIN, dg.AssetSelection.assets(MODEL)),
    ]
    training = build_training([CONFIG], toy_use_case())
    return dg.Definitions.merge(
        build_data(pipeline(), use_case()),
        training,
        dg.Definitions(
            jobs=jobs,
            resources=resources,
            sensors=[tell_mlflow_what_waited(tracking, [*(training.jobs or ())])],
            executor=isolated_executor(settings, [__name__]),
        ),
    )


defs = build_definitions(Settings())
