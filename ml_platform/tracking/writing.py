"""Entries said to MLflow, so that saying one again, after whatever interruption, changes nothing.

Belongs here: what each entry means in MLflow's terms. Does not: what happens while MLflow is away (`resource`).

MLflow itself gives a second run or model to whoever asks twice, be it after an answer that was lost: each carries a tag
that it is looked up by, and of several the oldest counts. Metrics of the same name, instant, step and value are one.
"""

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.entries import Awaited, Closed, Entry, ModelLogged, Opened, Recorded
from ml_platform.tracking.journal import Journal, Receipt
from ml_platform.tracking.runs import ASSET_TAG, DAGSTER_RUN_TAG, KEY_TAG, PARTITION_TAG, SHA256_TAG, TableInput

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Metric, Run
    from mlflow.tracking import MlflowClient

_BATCH = 100


@dataclass(frozen=True)
class MlflowWriter:
    """Says entries to the MLflow store at `tracking_uri`; artifacts of new experiments go below `artifact_uri`."""

    tracking_uri: str
    artifact_uri: str
    artifacts: ObjectStore

    def say(self, run: str, entry: Entry) -> None:
        """Say one entry about a run, which is its folder in the journal."""
        match entry:
            case Opened():
                self._open(run, entry)
            case Recorded():
                self._record(self._id_of(run), entry)
            case ModelLogged():
                self._log_model(run, entry)
            case Closed():
                self._close(self._id_of(run), entry)
            case Awaited():
                pass  # nothing for MLflow

    @property
    def _client(self) -> "MlflowClient":
        from ml_platform.tracking._client import client

        return client(self.tracking_uri)

    @property
    def _journal(self) -> Journal:
        return Journal.below(self.artifacts)

    def _id_of(self, run: str) -> str:
        receipt = self._journal.receipt(run)
        return receipt.run_id if receipt else run

    def _open(self, run: str, entry: Opened) -> None:
        from ml_platform.tracking._client import exclusively

        client = self._client
        with exclusively(self.tracking_uri):
            experiment_id = self._experiment(client, entry.experiment)
            found = self._runs(client, experiment_id, entry)
            if not found:
                client.create_run(experiment_id, tags=dict(entry.tags), run_name=entry.run_name)
                found = self._runs(client, experiment_id, entry)
            for other in found[1:]:
                client.delete_run(other.info.run_id)
        run_id = found[0].info.run_id
        if found[0].info.status != "RUNNING":
            client.update_run(run_id, status="RUNNING")
        self._log(run_id, [], {}, entry.tags)
        if entry.inputs:
            client.log_inputs(run_id, _datasets(entry.inputs))
        known = self._journal.receipt(run)
        receipt = Receipt(
            run_id=run_id, experiment_id=experiment_id, asset=entry.key.asset, partition=entry.key.partition
        )
        self._journal.acknowledge(run, known if known and known.run_id == run_id else receipt)

    def _runs(self, client: "MlflowClient", experiment_id: str, entry: Opened) -> "list[Run]":
        """The runs with this key, oldest first."""
        found = client.search_runs([experiment_id], f"tags.`{KEY_TAG}` = '{entry.key.digest}'")
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def _experiment(self, client: "MlflowClient", name: str) -> str:
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(name, artifact_location=f"{self.artifact_uri}/{name}"))

    def _record(self, run_id: str, entry: Recorded) -> None:
        from mlflow.entities import Metric

        run = self._client.get_run(run_id)
        known, began = run.data.metrics, run.info.start_time
        points = [
            Metric(name, value, entry.at_ms, 0) for name, value in entry.metrics.items() if known.get(name) != value
        ]
        # a curve may have been said in part: with the instant of the run, its points are those that are there
        points += [
            Metric(name, value, began, step) for name, curve in entry.curves.items() for step, value in curve.items()
        ]
        self._log(run_id, points, entry.params, entry.tags)
        if entry.files:
            self._upload(run_id, entry.files)

    def _log(self, run_id: str, points: "list[Metric]", params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        from mlflow.entities import Param, RunTag

        parameters = [Param(name, value) for name, value in params.items()]
        labels = [RunTag(name, value) for name, value in tags.items()]
        for start in range(0, max(len(points), len(parameters), len(labels)), _BATCH):
            part = slice(start, start + _BATCH)
            self._client.log_batch(run_id, metrics=points[part], params=parameters[part], tags=labels[part])

    def _upload(self, run_id: str, files: Mapping[str, bytes]) -> None:
        with tempfile.TemporaryDirectory(prefix="ml-platform-") as folder:
            for name, data in files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            self._client.log_artifacts(run_id, folder)

    def _log_model(self, run: str, entry: ModelLogged) -> None:
        from ml_platform.tracking import flavor
        from ml_platform.tracking._client import exclusively
        from ml_platform.tracking.models import loads

        client, run_id = self._client, self._id_of(run)
        tracked = client.get_run(run_id)
        folder, _, name = entry.uri.rpartition("/")
        data = ObjectStore(folder, self.artifacts.options).read(name)
        with flavor.written(loads(data, entry.sha256), data, run_id) as files:
            with exclusively(self.tracking_uri):
                logged = self._logged(client, tracked, entry)
            client.log_model_artifacts(logged.model_id, str(files))
        client.finalize_logged_model(logged.model_id, "READY")
        outputs = tracked.outputs.model_outputs if tracked.outputs else []
        if logged.model_id not in {each.model_id for each in outputs}:
            flavor.attach(client, run_id, logged.model_id)
        receipt = self._journal.receipt(run) or _receipt_of(tracked)
        self._journal.acknowledge(run, receipt.model_copy(update={"mlflow_uri": f"models:/{logged.model_id}"}))

    def _logged(self, client: "MlflowClient", run: "Run", entry: ModelLogged) -> "LoggedModel":
        """The logged model of these bytes and this run, made unless it is there."""
        found = _models(client, run, entry)
        if not found:
            client.create_logged_model(
                run.info.experiment_id,
                name=entry.name,
                source_run_id=run.info.run_id,
                tags={SHA256_TAG: entry.sha256},
                model_type="classifier",
            )
            found = _models(client, run, entry)
        for other in found[1:]:
            client.delete_logged_model(other.model_id)
        return found[0]

    def _close(self, run_id: str, entry: Closed) -> None:
        run = self._client.get_run(run_id)
        is_meant = entry.dagster_run_id in ("", run.data.tags.get(DAGSTER_RUN_TAG, ""))
        if is_meant and run.info.status != entry.status:
            self._client.set_terminated(run_id, entry.status)


def _receipt_of(run: "Run") -> Receipt:
    tags = run.data.tags
    return Receipt(
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
        asset=tags.get(ASSET_TAG, ""),
        partition=tags.get(PARTITION_TAG, ""),
    )


def _models(client: "MlflowClient", run: "Run", entry: ModelLogged) -> "list[LoggedModel]":
    """The logged models of these bytes and this run, oldest first."""
    found = client.search_logged_models([run.info.experiment_id], f"tags.`{SHA256_TAG}` = '{entry.sha256}'")
    own = [each for each in found if each.source_run_id == run.info.run_id]
    return sorted(own, key=lambda each: (each.creation_timestamp, each.model_id))


def _datasets(inputs: Iterable[TableInput]) -> list[Any]:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    shown_as = [InputTag("mlflow.data.context", "training")]
    return [
        DatasetInput(
            Dataset(
                name=each.table,
                digest=each.content_root[:36],  # MLflow keeps no more
                source_type="delta_table",  # the form that `mlflow.data.get_source` reads
                source=json.dumps(
                    {"path": each.uri, "delta_table_version": each.version, "content_root": each.content_root}
                ),
            ),
            shown_as,
        )
        for each in inputs
    ]
