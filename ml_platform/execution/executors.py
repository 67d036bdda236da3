"""Isolated steps: each in a process of its own, forked from one that has already imported everything.

Belongs here: how steps get their processes. Does not: which location isolates its steps, which its definitions say.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from multiprocessing.forkserver import ensure_running

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.multiprocess import MultiprocessExecutor

from ml_platform.execution.preload import step_modules
from ml_platform.recovery.lost_processes import steps_at_once
from ml_platform.settings import Settings


def light_executor(settings: Settings) -> dg.ExecutorDefinition:
    """For chains of cheap steps: the process of the run does them, or workers do where the settings name a broker."""
    return _at_workers(settings) if settings.celery_broker_url else dg.in_process_executor


def isolated_executor(settings: Settings, modules: Sequence[str] = ()) -> dg.ExecutorDefinition:
    """For steps that need a process each: forked here, or at workers where the settings name a broker.

    Here it is Dagster's multiprocess executor on a forkserver that preloads `modules` and all that a step ends up with.
    A forked step starts in under half a second; a spawned one imports for five to ten. `modules` are those of the
    location, its definitions among them.
    """
    if settings.celery_broker_url:
        return _at_workers(settings)
    requirements = dg.multiple_process_executor_requirements()

    @dg.executor(name="isolated", requirements=requirements)
    def isolated(_: dg.InitExecutorContext) -> IsolatedExecutor:
        return IsolatedExecutor(settings.max_parallel_steps, step_modules(modules))

    return isolated


def _at_workers(settings: Settings) -> dg.ExecutorDefinition:
    from ml_platform.execution.celery_executor import celery_executor  # Celery is for those who use it

    return celery_executor(settings)


class IsolatedExecutor(MultiprocessExecutor):
    """Each step in a process of its own; fewer of them at once after workers died, perhaps for want of memory."""

    def __init__(self, at_once: int, modules: Sequence[str]) -> None:
        super().__init__(RetryMode.ENABLED, at_once, start_method="forkserver", explicit_forkserver_preload=modules)

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Execute the steps of the plan, as many at once as the run's history allows."""
        self._max_concurrent = steps_at_once(self._max_concurrent, plan_context.dagster_run)
        yield from super().execute(plan_context, execution_plan)


def warm_up(modules: Sequence[str] = ()) -> None:
    """Start this process's forkserver now, so that its imports overlap with other work; returns at once.

    Python has one forkserver per process, and every run of this process shares it. The list of whoever starts it
    counts: what a later executor wants besides is imported by each step.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(step_modules(modules))
    ensure_running()
