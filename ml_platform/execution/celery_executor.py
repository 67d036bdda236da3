"""The executor that sends steps to Celery workers, and follows them in Dagster's history.

Belongs here: sending, sending again when the broker is back, and what the loss of a step's process leads to. Does not:
the work (`celery_worker`), or what a message looks like (`celery_app`).

Dagster's own Celery executor is not used: it takes the results of steps from the broker, so that a run waits for ever
once the broker was restarted, sends a step whose worker dies of it again and again, and looks once a second.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

import dagster as dg
from celery import Celery
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import EngineEventData
from dagster._core.execution.context.system import IStepContext, PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.child_process_executor import ChildProcessCrashException
from dagster._core.executor.step_delegating import (
    CheckStepHealthResult,
    StepDelegatingExecutor,
    StepHandler,
    StepHandlerContext,
)
from dagster_shared.error import SerializableErrorInfo
from kombu.exceptions import OperationalError
from sqlalchemy.exc import DBAPIError

from ml_platform.execution.celery_app import celery_app, queue_of, send
from ml_platform.execution.step_attempts import Loss, loss_in
from ml_platform.recovery.lost_processes import steps_at_once
from ml_platform.settings import Settings

LOOK_EVERY_SECONDS = 0.2
CHECK_EVERY_SECONDS = 1


def celery_executor(settings: Settings) -> dg.ExecutorDefinition:
    """Steps at the workers of the settings' broker."""

    @dg.executor(name="celery", requirements=dg.multiple_process_executor_requirements())
    def celery(_: dg.InitExecutorContext) -> CeleryExecutor:
        return CeleryExecutor(settings)

    return celery


class CeleryExecutor(StepDelegatingExecutor):
    """Each step at a worker; retried by the same policy as steps that are processes of the run itself."""

    def __init__(self, settings: Settings) -> None:
        self._steps = SentSteps(settings)
        super().__init__(
            self._steps,
            RetryMode.ENABLED,
            sleep_seconds=LOOK_EVERY_SECONDS,
            check_step_health_interval_seconds=CHECK_EVERY_SECONDS,
            max_concurrent=settings.max_parallel_steps,
        )

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Execute the steps of the plan, as many at once as the settings and the run's history allow."""
        assert self._max_concurrent is not None, "it was set above"
        self._max_concurrent = steps_at_once(self._max_concurrent, plan_context.dagster_run)
        try:
            yield from super().execute(plan_context, execution_plan)
        except DagsterExecutionInterruptedError:
            told = EngineEventData.interrupted(list(execution_plan.step_keys_to_execute))
            yield dg.DagsterEvent.engine_event(plan_context, "Interrupted; workers end the steps of this run.", told)
            raise

    def _pop_events(
        self, instance: dg.DagsterInstance, run_id: str, seen_storage_ids: set[int]
    ) -> Sequence[dg.DagsterEvent]:
        try:
            events = super()._pop_events(instance, run_id, seen_storage_ids)
        except DBAPIError:  # the history is away for a moment; steps go on, and what they tell is read later
            return []
        for event in events:
            if event.step_key and (loss := loss_in(event)):
                self._steps.lost[event.step_key] = loss
        return events

    def log_failure_or_retry_event_after_error(
        self, step_context: IStepContext, err_info: SerializableErrorInfo, known_state: KnownExecutionState
    ) -> dg.DagsterEvent:
        """Tell of the failure; that of a lost process is raised for it, because the retry policy looks at the error."""
        loss = self._steps.lost.pop(step_context.step.key, None)
        if loss is None:
            return super().log_failure_or_retry_event_after_error(step_context, err_info, known_state)
        try:
            raise ChildProcessCrashException(loss.process_id, loss.exit_code)  # type: ignore[no-untyped-call]
        except ChildProcessCrashException:
            info = err_info._replace(cls_name=ChildProcessCrashException.__name__)
            return super().log_failure_or_retry_event_after_error(step_context, info, known_state)


class SentSteps(StepHandler):
    """The steps that are with the broker or a worker; one that the broker did not take is sent again until it does."""

    def __init__(self, settings: Settings) -> None:
        self.lost: dict[str, Loss] = {}
        self._unsent: dict[str, StepHandlerContext] = {}
        self._settings = settings
        super().__init__()

    @property
    def name(self) -> str:
        return "Celery"

    @cached_property
    def _app(self) -> Celery:
        return celery_app(self._settings)

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Send the step to its queue."""
        (key,) = step_handler_context.step_tags
        context = step_handler_context.get_step_context(key)
        queue = queue_of(context.step)
        yield dg.DagsterEvent.step_worker_starting(context, f'Sent "{key}" to the queue {queue}.', metadata={})
        self._send(key, step_handler_context, queue)

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Whether nobody has told that its process was lost."""
        (key,) = step_handler_context.step_tags
        if key in self._unsent:
            self._send(key, self._unsent[key], queue_of(step_handler_context.get_step_context(key).step))
        if key in self.lost:
            return CheckStepHealthResult.unhealthy(self.lost[key].what)
        return CheckStepHealthResult.healthy()

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Nothing: a worker ends what it does for a run that is over, and begins nothing for it."""
        yield from ()

    def _send(self, key: str, step: StepHandlerContext, queue: str) -> None:
        try:
            send(self._app, step.execute_step_args, queue)
        except (OperationalError, OSError) as error:
            if key not in self._unsent:
                told = f"The broker does not take {key} now ({error}); it is sent as soon as it does."
                step.instance.report_engine_event(told, step.dagster_run, step_key=key)
            self._unsent[key] = step
        else:
            self._unsent.pop(key, None)
