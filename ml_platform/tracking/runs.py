"""What identifies and describes a tracked run: plain values, so that a component can name them without MLflow.

Belongs here: keys, inputs and tag names. Does not: writing them (`writing`).
"""

import hashlib
from typing import Literal, NamedTuple

import dagster as dg

KEY_TAG = "ml_platform.key"
ASSET_TAG = "ml_platform.asset"
PARTITION_TAG = "ml_platform.partition"
ROOT_RUN_TAG = "ml_platform.dagster_root_run_id"
DAGSTER_RUN_TAG = "dagster_run_id"
"""dagster-mlflow's own tag: its stock resource finds the run that the platform opened."""
DAGSTER_URL_TAG = "dagster_url"
MLFLOW_RUN_TAG = "mlflow/run_id"
"""Tag on the Dagster run: which MLflow run it opened last."""
SHA256_TAG = "ml_platform.sha256"
"""Tag on a logged model: the hash of its canonical bytes."""

REPLAY_SENSOR = "tell_mlflow_what_waited"

EndStatus = Literal["FINISHED", "FAILED", "KILLED"]


class RunKey(NamedTuple):
    """One materialization as tracking sees it: parallel steps and retries of it share one MLflow run."""

    root_run_id: str
    run_id: str
    asset: str
    partition: str = ""

    @classmethod
    def of(cls, context: dg.AssetExecutionContext | dg.OpExecutionContext, asset: str, partition: str = "") -> "RunKey":
        """Key of `asset` and `partition` in the Dagster run of `context`; a retried run keeps its root's key."""
        run = context.run
        return cls(run.root_run_id or run.run_id, run.run_id, asset, partition)

    @property
    def digest(self) -> str:
        """What the MLflow run is found by: any asset or partition key is legal in it."""
        return hashlib.sha256("\x00".join((self.root_run_id, self.asset, self.partition)).encode()).hexdigest()


class TableInput(NamedTuple):
    """A table as it was read: its version and the hash over the content of the partitions that were read."""

    table: str
    version: int
    content_root: str
    uri: str = ""


class TrackedModel(NamedTuple):
    """Where MLflow has a training and its model; empty if it was never told."""

    run_id: str
    mlflow_uri: str
