"""Pools: what is scarce whichever run wants it, and how many steps may have it at once.

Belongs here: the names, the limits of a fresh history, and slots whose holder is gone. Does not: waiting for a slot and
giving it back, which Dagster does for every step that says `pool=`.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal

from dagster import DagsterInstance
from sqlalchemy.exc import IntegrityError

from ml_platform.execution.launcher import worker_process
from ml_platform.settings import Settings

Pool = Literal["source", "training", "mlflow"]
SOURCE: Pool = "source"
"""Reading the landing zone: what the upstream's storage is asked at once."""
TRAINING: Pool = "training"
"""Trials and fits: cores and memory of the machine, whichever runs they belong to."""
MLFLOW: Pool = "mlflow"
"""Steps that speak with MLflow and its registry."""

_LIMITS: Mapping[Pool, Callable[[Settings], int]] = {
    SOURCE: lambda settings: settings.source_slots,
    TRAINING: lambda settings: settings.training_slots,
    MLFLOW: lambda settings: settings.mlflow_slots,
}


def set_limits(instance: DagsterInstance, settings: Settings) -> None:
    """Give each pool its limit, unless it has one: what was set in the UI stays, what the environment says goes before.

    A limit is seen and changed in the UI under Deployment, Concurrency, or by `dagster instance concurrency set`.
    """
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    known = {pool.name: pool.limit for pool in storage.get_pool_limits()}
    for pool, limit_of in _LIMITS.items():
        limit, is_asked_for = limit_of(settings), f"{pool}_slots" in settings.model_fields_set
        if pool not in known or (is_asked_for and known[pool] != limit):
            with suppress(IntegrityError):  # another process is doing the same at this moment
                storage.set_concurrency_slots(pool, limit)


def free_slots_of_the_dead(instance: DagsterInstance) -> None:
    """Free the slots of runs that nobody works on any more; for starting a run where no daemon does so."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    for run_id in storage.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is None or worker_process(run) is None:
            storage.free_concurrency_slots_for_run(run_id)
