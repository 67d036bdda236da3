"""The serving code location. Assembly only."""

import dagster as dg

from ml_platform.components.locations import build_use_cases
from ml_platform.execution.executors import light_executor
from ml_platform.settings import Settings
from ml_platform.storage.resources import storage_resources
from ml_platform.tracking.resource import MlflowTracking


def build_definitions(settings: Settings) -> dg.Definitions:
    """All deployments: champions, their predictions, and the quality of these."""
    return dg.Definitions.merge(
        build_use_cases("serving"),
        dg.Definitions(
            resources={**storage_resources(settings), "tracking": MlflowTracking.from_settings(settings)},
            executor=light_executor(settings),
        ),
    )


defs = build_definitions(Settings())
