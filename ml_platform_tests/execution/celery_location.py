"""A code location whose steps go to workers: a chain, steps that are killed or hang, and one for the other queue."""

import os
import signal
import time
from pathlib import Path

import dagster as dg

from ml_platform.execution.celery_app import QUEUE_TAG
from ml_platform.execution.celery_executor import celery_executor
from ml_platform.execution.launch import CodeLocation
from ml_platform.recovery.retries import StepRetries
from ml_platform.settings import Settings

AT_WORKERS = CodeLocation("at_workers", __name__)


class Where(dg.Config):
    """Folder that a step may write to."""

    folder: str


@dg.op
def start() -> int:
    """The first step of a run."""
    return os.getpid()


@dg.op(tags={QUEUE_TAG: "train"})
def follow(before: int) -> int:
    """A step of the other queue."""
    return before


@dg.op(retry_policy=StepRetries())
def killed_at_first(context: dg.OpExecutionContext) -> int:
    """Its process is killed at the first attempt."""
    if not context.retry_number:
        os.kill(os.getpid(), signal.SIGKILL)
    return context.retry_number


@dg.op(retry_policy=StepRetries())
def killed_always() -> None:
    """Its process is killed, however often it is tried."""
    os.kill(os.getpid(), signal.SIGKILL)


@dg.op(retry_policy=StepRetries())
def hang() -> None:
    """It never ends."""
    time.sleep(600)


@dg.op(retry_policy=StepRetries())
def wait_at_first(context: dg.OpExecutionContext, config: Where) -> int:
    """Says that it has begun; goes on at the second time."""
    has_begun_before = any(Path(config.folder).glob("begun-*"))
    Path(config.folder, f"begun-{os.getpid()}").touch()
    if not has_begun_before:
        time.sleep(600)
    return context.retry_number


@dg.job
def chain() -> None:
    """Two steps, of both queues."""
    follow(start())


@dg.job
def struck() -> None:
    """A step whose process dies once, and one after it."""
    follow(killed_at_first())


@dg.job
def hopeless() -> None:
    """A step whose process always dies."""
    killed_always()


@dg.job
def hanging() -> None:
    """A step that never ends."""
    hang()


@dg.job
def waiting() -> None:
    """A step that waits until something happens to it, and one after it."""
    follow(wait_at_first())


defs = dg.Definitions(jobs=[chain, struck, hopeless, hanging, waiting], executor=celery_executor(Settings()))
