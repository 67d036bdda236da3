"""What the log of a run says of attempts that failed: the steps that ended so, and how small the next batch has to be.

Belongs here: reading what `retries` and Dagster's executors told. Does not: deciding (`retries`), telling people
(`alerts`).
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventType, EngineEventData
from dagster._core.executor.child_process_executor import ChildProcessCrashException
from dagster_shared.error import SerializableErrorInfo

from ml_platform.errors import ErrorClass
from ml_platform.recovery.error_classes import KNOWN
from ml_platform.recovery.lost_processes import lost_processes
from ml_platform.recovery.retries import ATTEMPT, ERROR_CLASS

MOST_HALVINGS = 6
_FAILURES = {DagsterEventType.STEP_FAILURE, DagsterEventType.STEP_UP_FOR_RETRY, DagsterEventType.ENGINE_EVENT}


class FailedStep(NamedTuple):
    """One step that ended in failure: the class and type of its last error, its attempts, and the error's message."""

    step_key: str
    error_class: ErrorClass
    error: str
    attempts: int
    what: str


def failed_steps(instance: dg.DagsterInstance, run_id: str) -> list[FailedStep]:
    """The steps of the run that failed and were not tried again, in the order in which they did."""
    events = _events(instance, run_id)
    return [
        _failed(each, [e for e in events if e.step_key == each.step_key]) for each in events if each.is_step_failure
    ]


def batch_count(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> int:
    """In how many batches the step should compute what it has to: twice as many for each time that memory ran out.

    Counted are this step's failures of class resource in this run, its killed processes among them, and the processes
    that this run and those that it retries have lost. Nothing is read for a first attempt.
    """
    halvings: int = lost_processes(context.run)
    if context.retry_number:
        events = _events(context.instance, context.run.run_id)
        step = context.get_step_execution_context().step.key
        halvings += sum(_ran_out(event) for event in events if event.step_key == step)
    return 1 << min(halvings, MOST_HALVINGS)


def split(keys: Sequence[str], parts: int) -> list[list[str]]:
    """The keys in their order, in at most that many parts of nearly equal length, none of them empty."""
    cuts = [len(keys) * number // parts for number in range(parts + 1)]
    return [list(keys[first:end]) for first, end in pairwise(cuts) if end > first]


def _events(instance: dg.DagsterInstance, run_id: str) -> list[DagsterEvent]:
    return [entry.get_dagster_event() for entry in instance.all_logs(run_id, of_type=_FAILURES)]


def _failed(failure: DagsterEvent, of_step: Iterable[DagsterEvent]) -> FailedStep:
    error = failure.step_failure_data.error
    while error and error.cause and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    told = [metadata for event in of_step if (metadata := _told(event))]
    attempts = 1 + sum(event.is_step_up_for_retry for event in of_step)
    what = error.message.strip() if error else failure.message or ""
    if told and told[-1][1] == attempts:
        return FailedStep(failure.step_key or "", told[-1][0], told[-1][2], attempts, what)
    return FailedStep(failure.step_key or "", _untold(error), (error and error.cls_name) or "", attempts, what)


def _told(event: DagsterEvent) -> tuple[ErrorClass, int, str] | None:
    """Class, attempt and error of an event of `retries`; what fails outside of a step's body tells none."""
    data = event.event_specific_data
    if not isinstance(data, EngineEventData) or ERROR_CLASS not in data.metadata:
        return None
    found, attempt, error = (data.metadata[name].value for name in (ERROR_CLASS, ATTEMPT, "error"))
    return found, attempt, error  # type: ignore[return-value]  # as `retries` wrote them


def _untold(error: SerializableErrorInfo | None) -> ErrorClass:
    """By the name alone, as the log keeps it, of an error and its causes."""
    while error is not None:
        if error.cls_name == ChildProcessCrashException.__name__:
            return "resource"
        rules = (rule for name, rule in KNOWN.items() if name.rpartition(".")[2] == error.cls_name)
        if isinstance(rule := next(rules, None), str):
            return rule
        error = error.cause
    return "code"


def _ran_out(event: DagsterEvent) -> bool:
    if event.is_step_up_for_retry:
        error = event.step_retry_data.error
        return error is not None and error.cls_name == ChildProcessCrashException.__name__
    told = _told(event)
    return told is not None and told[0] == "resource"
