"""`ml-platform worker`: work on the steps that a broker hands out.

Belongs here: options. Does not: the work (`execution.celery_worker`).
"""

import os
from typing import Annotated

import typer

LOCATIONS = tuple(f"ml_platform.{name}.definitions" for name in ("training", "data", "serving"))
"""Modules whose steps go to workers, imported before any step comes."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(worker)


def worker(
    queues: Annotated[str, typer.Option(help="Kinds of work to take, separated by commas.")] = "io,train",
    at_once: Annotated[int, typer.Option(min=1, help="Steps to work on at once.")] = 1,
    name: Annotated[str, typer.Option(help="What it is called, one name for each worker of a machine.")] = "steps",
) -> None:
    """Work on the steps of all runs, as ML_PLATFORM_CELERY_BROKER_URL hands them out, until it is asked to end.

    SIGTERM lets the steps at work go on for ML_PLATFORM_WORKER_GRACE_SECONDS, then hands them back: another worker
    begins them again, a fit at its last checkpoint. The code is imported once, so a new version needs a new worker.
    """
    from ml_platform.settings import Settings

    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")  # of Celery: end after the grace, not after the step
    from ml_platform.execution.celery_worker import work
    from ml_platform.execution.preload import step_modules

    work(Settings(), queues.split(","), at_once, name, step_modules(LOCATIONS))
