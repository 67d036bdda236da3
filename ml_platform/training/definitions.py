"""The training code location. Assembly only."""

import dagster as dg

from ml_platform.components.locations import build_use_cases
from ml_platform.execution.executors import isolated_executor
from ml_platform.settings import Settings
from ml_platform.storage.resources import storage_resources
from ml_platform.tracking.failures import close_tracking_on_run_failure
from ml_platform.tracking.replaying import tell_mlflow_what_waited
from ml_platform.tracking.resource import MlflowTracking


def build_definitions(settings: Settings) -> dg.Definitions:
    """All models, their evaluations and registered versions; each step in a process of its own."""
    tracking = MlflowTracking.from_settings(settings)
    use_cases = build_use_cases("training")
    jobs = [job for job in use_cases.jobs or () if job.name.startswith("train_")]
    return dg.Definitions.merge(
        use_cases,
        dg.Definitions(
            resources={**storage_resources(settings), "tracking": tracking},
            sensors=[*close_tracking_on_run_failure(tracking), tell_mlflow_what_waited(tracking, jobs)],
            executor=isolated_executor(settings, modules=[__name__]),
        ),
    )


defs = build_definitions(Settings())
