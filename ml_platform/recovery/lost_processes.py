"""Workers of runs that died without an answer: how many a run and those that it retries have lost.

Belongs here: what a run's tags say of them. Does not: noticing that one died (`execution.launcher`), starting the run
again (Dagster's run retries), and steps that died under a living worker (`retries`).
"""

from dagster import DagsterRun

LOST_PROCESSES_TAG = "ml_platform/lost_processes"
"""On a run whose worker died, and on its retry, which takes less memory for it."""


def lost_processes(run: DagsterRun) -> int:
    """How many workers died under this run and those that it retries."""
    return int(run.tags.get(LOST_PROCESSES_TAG, "0"))


def steps_at_once(most: int, run: DagsterRun) -> int:
    """Half as many steps for each worker that the run, and those that it retries, have lost; one at least."""
    return max(1, most >> lost_processes(run))
