"""Isolated steps: each in a process of its own, forked from one that has already imported everything.

Belongs here: how steps get their processes. Does not: which location isolates its steps, which its definitions say.
"""

import multiprocessing
from collections.abc import Sequence
from multiprocessing.forkserver import ensure_running

import dagster as dg

from ml_platform.execution.preload import step_modules
from ml_platform.settings import Settings


def isolated_executor(settings: Settings, modules: Sequence[str] = ()) -> dg.ExecutorDefinition:
    """Dagster's multiprocess executor on a forkserver that preloads `modules` and all that a step ends up with.

    A forked step starts in under half a second; a spawned one imports for five to ten. `modules` are those of the
    location, its definitions among them.
    """
    return dg.multiprocess_executor.configured(
        {
            "max_concurrent": settings.max_parallel_steps,
            "start_method": {"forkserver": {"preload_modules": step_modules(modules)}},
        },
        name="isolated",
    )


def warm_up(modules: Sequence[str] = ()) -> None:
    """Start this process's forkserver now, so that its imports overlap with other work; returns at once.

    Python has one forkserver per process, and every run of this process shares it. The list of whoever starts it
    counts: what a later executor wants besides is imported by each step.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(step_modules(modules))
    ensure_running()
