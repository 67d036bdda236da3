"""dagster-mlflow's own object, attached to a run that the platform opened.

Belongs here: attaching and letting go. Does not: opening or ending runs (`resource`).
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import dagster as dg

if TYPE_CHECKING:
    from dagster_mlflow.resources import MlFlow


class _StockContext(NamedTuple):
    """What dagster-mlflow reads of a resource context."""

    log: dg.DagsterLogManager
    dagster_run: dg.DagsterRun
    run_id: str
    resource_config: Mapping[str, Any]


@contextmanager
def attached(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, tracking_uri: str, experiment: str, run_id: str
) -> Iterator["MlFlow"]:
    """dagster-mlflow with `run_id` as the thread's active run. Afterwards none is active; this one is still open."""
    config = {"mlflow_tracking_uri": tracking_uri, "experiment_name": experiment, "mlflow_run_id": run_id}
    stock: Any = _made(_StockContext(context.log, context.run, context.run.run_id, config))
    try:
        yield stock
    finally:
        stock.end_run(status="RUNNING")


def _made(context: _StockContext) -> "MlFlow":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dagster-mlflow is marked beta
        from dagster_mlflow.resources import MlFlow

        return MlFlow(context)  # type: ignore[no-untyped-call]
