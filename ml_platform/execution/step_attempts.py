"""Attempts of a step at a worker, as the history of the run has them: begun, handed back, ended, or lost.

Belongs here: reading and telling them. Does not: working on one (`celery_worker`), or what follows (`celery_executor`).

A message may come more than once: its worker died, or the broker was away. The history says what is left to do.
"""

import signal
from collections.abc import Sequence
from typing import Literal, NamedTuple

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventType, EngineEventData
from dagster._core.executor.child_process_executor import ChildProcessCrashException
from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus
from dagster._grpc.types import ExecuteStepArgs
from dagster_shared.error import SerializableErrorInfo

State = Literal["to be begun", "lost", "over"]

_EXIT_CODE, _PROCESS_ID, _HANDED_BACK = "exit_code", "process_id", "handed_back"
_ENDS = (DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE, DagsterEventType.STEP_UP_FOR_RETRY)
_TOLD = {*_ENDS, DagsterEventType.STEP_WORKER_STARTED, DagsterEventType.ENGINE_EVENT}


class Loss(NamedTuple):
    """The end of a step's process without an answer; the exit code is that of a kill where nobody saw it."""

    process_id: int
    exit_code: int
    what: str


class Attempt:
    """One attempt of one step of a run."""

    def __init__(self, instance: dg.DagsterInstance, args: ExecuteStepArgs) -> None:
        assert args.step_keys_to_execute, "a message is about one step"
        self.instance, self.args, self.step_key = instance, args, args.step_keys_to_execute[0]
        known = args.known_state.get_retry_state() if args.known_state else None
        self._before = known.get_attempt_count(self.step_key) if known else 0

    @property
    def run(self) -> DagsterRun:
        """The run as it stands."""
        run = self.instance.get_run_by_id(self.args.run_id)
        assert run is not None, "a run is stored before its steps are sent, and deleted when it is over"
        return run

    def is_wanted(self) -> bool:
        """Whether the run still goes on."""
        run = self.instance.get_run_by_id(self.args.run_id)
        return run is not None and not run.is_finished and run.status is not DagsterRunStatus.CANCELING

    def state(self) -> State:
        """What the history says of this attempt, whoever was given it before."""
        is_begun = False
        for event in self._events():
            if event.event_type in _ENDS or loss_in(event):
                return "over"
            is_begun = (is_begun or event.event_type is DagsterEventType.STEP_WORKER_STARTED) and not _hands_back(event)
        return "lost" if is_begun else "to be begun"

    def tell_loss(self, process_id: int, exit_code: int | None, why: str) -> None:
        """Tell the executor, which decides by the retry policy."""
        code = -signal.SIGKILL if exit_code is None else exit_code
        told = EngineEventData(
            metadata={_EXIT_CODE: dg.MetadataValue.int(code), _PROCESS_ID: dg.MetadataValue.int(process_id)},
            error=SerializableErrorInfo(why, [], ChildProcessCrashException.__name__),
        )
        self.instance.report_engine_event(why, self.run, told, step_key=self.step_key)

    def tell_handed_back(self) -> None:
        """Tell that nothing is wrong with the attempt, which the next worker begins again."""
        told = EngineEventData(metadata={_HANDED_BACK: dg.MetadataValue.bool(True)})
        what = f"The worker is asked to end, or lost the broker: {self.step_key} goes to another worker."
        self.instance.report_engine_event(what, self.run, told, step_key=self.step_key)

    def _events(self) -> Sequence[DagsterEvent]:
        """Those of the step since the attempts before this one ended."""
        entries = self.instance.all_logs(self.args.run_id, of_type=_TOLD)
        events = [entry.get_dagster_event() for entry in entries if entry.step_key == self.step_key]
        ends = [number for number, event in enumerate(events, 1) if event.event_type in _ENDS]
        return events[ends[self._before - 1] :] if self._before else events


def loss_in(event: DagsterEvent) -> Loss | None:
    """The lost process that a worker tells of by this event, if it is one."""
    data = event.event_specific_data
    if not isinstance(data, EngineEventData) or _EXIT_CODE not in data.metadata:
        return None
    process_id, exit_code = (int(str(data.metadata[name].value)) for name in (_PROCESS_ID, _EXIT_CODE))
    return Loss(process_id, exit_code, event.message or "")


def _hands_back(event: DagsterEvent) -> bool:
    data = event.event_specific_data
    return isinstance(data, EngineEventData) and _HANDED_BACK in data.metadata
