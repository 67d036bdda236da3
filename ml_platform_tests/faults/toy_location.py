"""The toy model as a code location: real tables, MLflow and isolated steps, and a trainer that burns fuses."""

import dagster as dg

from ml_platform.execution.executors import isolated_executor
from ml_platform.execution.launch import CodeLocation
from ml_platform.settings import Settings
from ml_platform.storage.resources import storage_resources
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.training.choosing import TRAINERS
from ml_platform.training.pipeline import build_pipeline
from ml_platform_tests.faults.fuses import Fused
from ml_platform_tests.training.scenario import toy_model, toy_use_case

TOY = CodeLocation("toy", __name__)
MODEL = dg.AssetKey(["toy", "delay_model"])
SEARCH = {
    "trials": 3,
    "rungs": [{"iterations": 3, "keep": 1}, {"iterations": 6, "keep": 1}],
    "parameters": {"learning_rate": {"kind": "float", "low": 0.05, "high": 0.3}},
}
CONFIG = toy_model(search=SEARCH)

TRAINERS["hist_gradient_boosting"] = Fused()


def build_definitions(settings: Settings) -> dg.Definitions:
    """The model of each month, each step in a process of its own."""
    resources = {**storage_resources(settings), "tracking": MlflowTracking.from_settings(settings)}
    return dg.Definitions.merge(
        build_pipeline([CONFIG], toy_use_case()),
        dg.Definitions(
            jobs=[dg.define_asset_job("train_model", [MODEL])],
            resources=resources,
            executor=isolated_executor(settings, [__name__]),
        ),
    )


defs = build_definitions(Settings())
