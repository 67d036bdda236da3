"""A worker: a process that has imported everything, and forks one for each step that the broker hands it.

    main process     speaks with the broker; its imports are those of every step
    pool process     one for each step at once; watches over it, and never computes anything itself
    step process     forked for one step, as by the executor of one machine

Belongs here: how a worker works on a step. Does not: when it is tried again (`celery_executor`).
"""

import importlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkProcess
from types import FrameType
from typing import Never

from celery import Task
from celery.exceptions import Reject
from dagster import DagsterInstance
from dagster._cli.api import _execute_step_command_body
from dagster._core.instance.ref import InstanceRef
from dagster._grpc.types import ExecuteStepArgs
from dagster._utils.interrupts import capture_interrupts
from sqlalchemy.exc import DBAPIError

from ml_platform.execution.celery_app import STEP_TASK, celery_app, unpacked
from ml_platform.execution.step_attempts import Attempt
from ml_platform.recovery.isolation import end_with_parent
from ml_platform.settings import Settings

LOOK_EVERY_SECONDS = 1.0


class _HandedBackError(BaseException):
    """This process is asked to end while its step goes on."""


class StepTask(Task):  # type: ignore[misc]  # Celery has no types
    """A task whose own failure is told to the run that waits for it, instead of to the broker alone."""

    def on_failure(self, exc: BaseException, task_id: str, args: Sequence[str], kwargs: object, einfo: object) -> None:
        """Tell it as a loss with exit code 1, which is a mistake and not tried again."""
        (message,) = args
        step = unpacked(message)
        with DagsterInstance.from_ref(_ref(step)) as instance:
            Attempt(instance, step).tell_loss(os.getpid(), 1, f"The worker failed: {type(exc).__name__}: {exc}")


def work(settings: Settings, queues: Sequence[str], at_once: int, name: str, modules: Sequence[str]) -> Never:
    """Work on steps until the process is asked to end; `modules` are all that a step needs, imported before any comes.

    Raises:
        SettingsError: the settings name no broker.
    """
    app = celery_app(settings)
    for module in modules:
        importlib.import_module(module)

    @app.task(name=STEP_TASK, base=StepTask)  # type: ignore[untyped-decorator]
    def step(message: str) -> None:
        work_on(unpacked(message), settings.step_time_limit_seconds)

    app.worker_main(
        [
            "worker",
            f"--queues={','.join(queues)}",
            f"--concurrency={at_once}",
            f"--hostname={name}@%h",
            "--loglevel=INFO",
            "--without-gossip",
            "--without-mingle",
        ]
    )
    sys.exit(0)


def work_on(args: ExecuteStepArgs, limit_seconds: float | None) -> None:
    """Work on one attempt of a step to its end, unless that is in the history already.

    Raises:
        Reject: the history does not answer; the message comes again.
    """
    try:
        with DagsterInstance.from_ref(_ref(args)) as instance:
            attempt = Attempt(instance, args)
            if not attempt.is_wanted():
                return
            match attempt.state():
                case "to be begun":
                    _supervise(attempt, limit_seconds)
                case "lost":
                    attempt.tell_loss(0, None, f"The worker that had begun {attempt.step_key} is gone.")
                case "over":
                    pass
    except DBAPIError as error:
        time.sleep(LOOK_EVERY_SECONDS)
        raise Reject(str(error.orig), requeue=True) from error


def _supervise(attempt: Attempt, limit_seconds: float | None) -> None:
    """Have the step done in a process of its own, which ends with this one, with its run, or when its time is up."""
    multiprocessing.current_process().daemon = False  # as Celery's pool has it, this process may have no children
    process = multiprocessing.get_context("fork").Process(target=_execute, args=(attempt.args,), name=attempt.step_key)
    try:
        with _handing_back():
            process.start()
            why = _watched(process, attempt, limit_seconds)
    except _HandedBackError:
        _kill(process)
        with suppress(DBAPIError):  # then the next worker takes it for lost, and the run's log says so
            attempt.tell_handed_back()
        os._exit(os.EX_TEMPFAIL)
    if attempt.is_wanted() and attempt.state() != "over":
        attempt.tell_loss(process.pid or 0, process.exitcode, why)


def _watched(process: ForkProcess, attempt: Attempt, limit_seconds: float | None) -> str:
    """Why the process has ended, as far as it can be told from outside."""
    since = time.monotonic()
    while process.is_alive():
        process.join(LOOK_EVERY_SECONDS)
        with suppress(DBAPIError):  # the history is away; whether the run is over is asked again
            if not attempt.is_wanted():
                _kill(process)
                return "Its run is over."
        if limit_seconds is not None and time.monotonic() - since > limit_seconds:
            _kill(process)
            return f"{attempt.step_key} was ended after {limit_seconds:.0f} s (ML_PLATFORM_STEP_TIME_LIMIT_SECONDS)."
    return f"The process of {attempt.step_key} ended without an answer, with exit code {process.exitcode}."


def _execute(args: ExecuteStepArgs) -> None:
    """The step itself; every failure of its own is in the history."""
    os.setsid()  # a Ctrl-C for the worker is no interruption of the step
    end_with_parent()
    with capture_interrupts(), DagsterInstance.from_ref(_ref(args)) as instance:
        run = instance.get_run_by_id(args.run_id)
        assert run is not None, "it was there a moment ago"
        for _ in _execute_step_command_body(args, instance, run):
            pass


def _kill(process: ForkProcess) -> None:
    process.kill()
    process.join()


@contextmanager
def _handing_back() -> Iterator[None]:
    """A block that ends by `_HandedBackError` when the worker ends its processes."""

    def hand_back(_: int, __: FrameType | None) -> Never:
        raise _HandedBackError

    before = {number: signal.signal(number, hand_back) for number in (signal.SIGTERM, signal.SIGQUIT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ref(args: ExecuteStepArgs) -> InstanceRef:
    assert args.instance_ref is not None, "the executor says where the history is"
    return args.instance_ref
