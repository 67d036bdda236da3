"""Tracking of experiments: one MLflow run for each materialization, whatever runs in parallel or is retried.

Belongs here: runs and what is recorded in them. Does not: the model registry (`registry`) or model bytes (`models`).
mlflow is imported on first use, not with this module.

dagster-mlflow's own resource looks its run up and then starts one, in every step: steps that start together make
several, and those of a failed run stay RUNNING. So the run is opened once, before the fan-out, under a lock and by key;
`stock` attaches dagster-mlflow to it for MLflow's fluent interface; `close_tracking_on_run_failure` ends it.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from pydantic import Field

from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.tracking.models import TabularModel
from ml_platform.tracking.registry import ModelRegistry
from ml_platform.tracking.runs import (
    ASSET_TAG,
    DAGSTER_RUN_TAG,
    DAGSTER_URL_TAG,
    KEY_TAG,
    MLFLOW_RUN_TAG,
    PARTITION_TAG,
    ROOT_RUN_TAG,
    EndStatus,
    RunKey,
    TableInput,
)
from ml_platform.tracking.s3_artifacts import reach_with

if TYPE_CHECKING:
    from dagster_mlflow.resources import MlFlow
    from mlflow.tracking import MlflowClient

_BATCH = 100


class MlflowTracking(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Runs, metrics, models and the registry of one MLflow store."""

    location: dg.ResourceDependency[StorageLocation]
    tracking_uri: str = Field(description="MLflow store: `sqlite:///<file>` needs no server, `http(s)://` is a server.")
    artifact_uri: str = Field(description="Prefix of the artifacts of new experiments.")
    dagster_url: str = Field("http://127.0.0.1:3000", description="Where the Dagster UI answers, for links.")
    ui_url: str = Field("http://127.0.0.1:5000", description="Where the MLflow UI answers, for links.")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Tracking as the settings place it: the MLflow store, and artifacts below the platform's."""
        reach_with(settings)
        uri = settings.mlflow_tracking_uri
        places = {"ui_url": uri.rstrip("/")} if uri.startswith(("http://", "https://")) else {}
        return cls(
            location=StorageLocation.of(settings),
            tracking_uri=uri,
            artifact_uri=f"{settings.artifact_uri.rstrip('/')}/mlflow",
            **places,
        )

    @property
    def registry(self) -> ModelRegistry:
        """The models of this store, and the log of each below the platform's artifacts."""
        return ModelRegistry(self.tracking_uri, self.location.artifacts())

    def open_run(
        self,
        key: RunKey,
        *,
        experiment: str,
        run_name: str,
        tags: Mapping[str, str] | None = None,
        inputs: Sequence[TableInput] = (),
        instance: dg.DagsterInstance | None = None,
    ) -> str:
        """Id of the one MLflow run of `key`, made unless it is there; a closed one is opened again.

        With `instance`, the Dagster run is tagged with it, which is also what lets a failure of the run close it.
        """
        from ml_platform.tracking._client import exclusively

        client = self._client
        with exclusively(self.tracking_uri):
            experiment_id = self._experiment(client, experiment)
            found = client.search_runs([experiment_id], f"tags.`{KEY_TAG}` = '{key.digest}'", max_results=1)
            run = found[0] if found else client.create_run(experiment_id, tags=self._tags(key), run_name=run_name)
        run_id: str = run.info.run_id
        if run.info.status != "RUNNING":
            client.update_run(run_id, status="RUNNING")
        self.record(run_id, tags={**self._tags(key), **(tags or {})})
        self._record_inputs(run_id, inputs)
        if instance is not None and instance.has_run(key.run_id):
            instance.add_run_tags(key.run_id, {MLFLOW_RUN_TAG: run_id})
        return run_id

    def close_run(self, run_id: str, status: EndStatus = "FINISHED") -> None:
        """End the run; a second end with the same status changes nothing."""
        if self._client.get_run(run_id).info.status != status:
            self._client.set_terminated(run_id, status)

    def close_runs_of(self, dagster_run_id: str, status: EndStatus) -> list[str]:
        """End every open MLflow run of a Dagster run; their ids."""
        client = self._client
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        wanted = f"tags.`{DAGSTER_RUN_TAG}` = '{dagster_run_id}' and attributes.status = 'RUNNING'"
        open_runs = [run.info.run_id for run in client.search_runs(experiments, wanted)]
        for run_id in open_runs:
            client.set_terminated(run_id, status)
        return open_runs

    def record(
        self,
        run_id: str,
        *,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        curves: Mapping[str, Mapping[int, float]] | None = None,
        tags: Mapping[str, str] | None = None,
        figures: Mapping[str, bytes] | None = None,
        artifacts: Mapping[str, bytes | object] | None = None,
    ) -> None:
        """Add to the run. `curves` are metrics by step; figures are PNG bytes below `figures/`; an artifact that is not
        bytes is written as JSON. A parameter that was recorded before must have the same value.
        """
        self._record_values(
            run_id, params or {}, {name: {0: value} for name, value in (metrics or {}).items()}, tags or {}
        )
        self._record_values(run_id, {}, curves or {}, {})
        files = {f"figures/{name}.png": data for name, data in (figures or {}).items()}
        files |= {name: _as_bytes(content) for name, content in (artifacts or {}).items()}
        if files:
            with tempfile.TemporaryDirectory(prefix="ml-platform-") as folder:
                for name, data in files.items():
                    path = Path(folder) / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
                self._client.log_artifacts(run_id, folder)

    def log_model(self, run_id: str, name: str, model: TabularModel, data: bytes) -> str:
        """MLflow's URI of the model whose canonical bytes are `data`; its copy holds these bytes."""
        from ml_platform.tracking import flavor

        client = self._client
        with flavor.written(model, data, run_id) as folder:
            experiment_id = client.get_run(run_id).info.experiment_id
            logged = client.create_logged_model(experiment_id, name=name, source_run_id=run_id, model_type="classifier")
            client.log_model_artifacts(logged.model_id, str(folder))
            client.finalize_logged_model(logged.model_id, "READY")
            flavor.attach(client, run_id, logged.model_id)
        return f"models:/{logged.model_id}"

    @contextmanager
    def stock(self, context: dg.AssetExecutionContext | dg.OpExecutionContext, run_id: str) -> Iterator["MlFlow"]:
        """dagster-mlflow's object on the open run `run_id`, for MLflow's fluent interface; it stays open afterwards."""
        from ml_platform.tracking.stock import attached

        experiment_id = self._client.get_run(run_id).info.experiment_id
        name = self._client.get_experiment(experiment_id).name
        with attached(context, self.tracking_uri, name, run_id) as stock:
            yield stock

    def run_url(self, run_id: str) -> str:
        """Where the MLflow UI shows the run."""
        experiment_id = self._client.get_run(run_id).info.experiment_id
        return f"{self.ui_url}/#/experiments/{experiment_id}/runs/{run_id}"

    def metadata(self, run_id: str) -> dict[str, dg.MetadataValue[Any]]:
        """Dagster metadata that leads to the MLflow run."""
        return {
            "mlflow_run": dg.MetadataValue.url(self.run_url(run_id)),
            "mlflow_run_id": dg.MetadataValue.text(run_id),
        }

    @property
    def _client(self) -> "MlflowClient":
        from ml_platform.tracking._client import client

        return client(self.tracking_uri)

    def _experiment(self, client: "MlflowClient", name: str) -> str:
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(name, artifact_location=f"{self.artifact_uri}/{name}"))

    def _tags(self, key: RunKey) -> dict[str, str]:
        return {
            KEY_TAG: key.digest,
            ASSET_TAG: key.asset,
            PARTITION_TAG: key.partition,
            ROOT_RUN_TAG: key.root_run_id,
            DAGSTER_RUN_TAG: key.run_id,
            DAGSTER_URL_TAG: f"{self.dagster_url}/runs/{key.run_id}",
        }

    def _record_inputs(self, run_id: str, inputs: Sequence[TableInput]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        datasets = [
            Dataset(
                name=each.table,
                digest=each.content_root[:36],  # MLflow keeps no more
                source_type="delta_table",  # the form that `mlflow.data.get_source` reads
                source=json.dumps(
                    {"path": each.uri, "delta_table_version": each.version, "content_root": each.content_root}
                ),
            )
            for each in inputs
        ]
        if datasets:
            shown_as = [InputTag("mlflow.data.context", "training")]
            self._client.log_inputs(run_id, [DatasetInput(dataset, shown_as) for dataset in datasets])

    def _record_values(
        self,
        run_id: str,
        params: Mapping[str, object],
        curves: Mapping[str, Mapping[int, float]],
        tags: Mapping[str, str],
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        points = [Metric(name, value, now, step) for name, curve in curves.items() for step, value in curve.items()]
        parameters = [Param(name, str(value)) for name, value in params.items()]
        labels = [RunTag(name, value) for name, value in tags.items()]
        longest = max(len(points), len(parameters), len(labels))
        for start in range(0, longest, _BATCH):
            part = slice(start, start + _BATCH)
            self._client.log_batch(run_id, metrics=points[part], params=parameters[part], tags=labels[part])


def _as_bytes(content: object) -> bytes:
    if isinstance(content, bytes):
        return content
    return json.dumps(content, indent=2, sort_keys=True, default=str).encode()
