"""The data code location. Assembly only."""

import dagster as dg

from ml_platform.components.locations import build_use_cases
from ml_platform.execution.executors import light_executor
from ml_platform.settings import Settings
from ml_platform.storage.resources import storage_resources


def build_definitions(settings: Settings) -> dg.Definitions:
    """All data pipelines, their tables and landing zone where `settings` says."""
    return dg.Definitions.merge(
        build_use_cases("data"),
        dg.Definitions(resources=storage_resources(settings), executor=light_executor(settings)),
    )


defs = build_definitions(Settings())
