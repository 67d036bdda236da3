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
from ml_platform.recovery.lost_processes import lost_processes
from ml_platform.settings import Settings


def isolated_executor(settings: Settings, modules: Sequence[str] = ()) -> dg.ExecutorDefinition:
    """Dagster's multiprocess executor on a forkserver that preloads `modules` and all that a step ends up with.

    A forked step starts in under half a second; a spawned one imports for five to ten. `modules` are those of the
    location, its definitions among them.
    """
    requirements = dg.multiple_process_executor_requirements()

    @dg.executor(name="isolated", requirements=requirements)
    def isolated(_: dg.InitExecutorContext) -> IsolatedExecutor:
        return IsolatedExecutor(settings.max_parallel_steps, step_modules(modules))

    return isolated


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


def steps_at_once(most: int, run: dg.DagsterRun) -> int:
    """Half as many for each worker that the run, and those that it retries, have lost; one at least."""
    return max(1, most >> lost_processes(run))


def warm_up(modules: Sequence[str] = ()) -> None:
    """Start this process's forkserver now, so that its imports overlap with other work; returns at once.

    Python has one forkserver per process, and every run of this process shares it. The list of whoever starts it
    counts: what a later executor wants besides is imported by each step.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(step_modules(modules))
    ensure_running()
