"""The chain of `steps` with its steps at workers; imported once the settings name a broker."""

import dagster as dg

from benchmarks.steps import chain
from ml_platform.execution.celery_executor import celery_executor
from ml_platform.settings import Settings

defs = dg.Definitions(jobs=[chain("at_a_worker", celery_executor(Settings()), 5)])
