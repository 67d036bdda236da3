"""Tracking of experiments: one MLflow run for each materialization, whatever runs in parallel or is retried.

Belongs here: runs and what is recorded in them. Does not: the model registry (`registry`) or model bytes (`models`).
mlflow is imported on first use, not with this module.

No work ends because MLflow is away: what it was to be told waits in the `journal`, run by run and in order, and is told
before anything else is said about that run, or by `replay`. The truth about a model is in the platform's own records.

dagster-mlflow's own resource looks its run up and then starts one, in every step: steps that start together make
several, and those of a failed run stay RUNNING. So the run is opened once, before the fan-out, under a lock and by key;
`stock` attaches dagster-mlflow to it for MLflow's fluent interface; `close_tracking_on_run_failure` ends it.
"""

import base64
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from pydantic import Field

from ml_platform.errors import RegistryUnreachableError
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.turns import turn
from ml_platform.tracking.credentials import reach_with
from ml_platform.tracking.entries import Awaited, Closed, Entry, ModelLogged, Opened, Recorded
from ml_platform.tracking.journal import WAITING, Journal, Replayed
from ml_platform.tracking.reaching import reaching, refusals
from ml_platform.tracking.registry import ModelRegistry
from ml_platform.tracking.runs import (
    ASSET_TAG,
    DAGSTER_RUN_TAG,
    DAGSTER_URL_TAG,
    KEY_TAG,
    MLFLOW_RUN_TAG,
    PARTITION_TAG,
    REPLAY_SENSOR,
    ROOT_RUN_TAG,
    EndStatus,
    RunKey,
    TableInput,
    TrackedModel,
)
from ml_platform.tracking.writing import MlflowWriter

if TYPE_CHECKING:
    from dagster_mlflow.resources import MlFlow
    from mlflow.tracking import MlflowClient


class MlflowTracking(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Runs, metrics, models and the registry of one MLflow store."""

    location: dg.ResourceDependency[StorageLocation]
    artifact_uri: str = Field(description="Prefix of the artifacts of new experiments.")
    dagster_url: str = Field(default="http://127.0.0.1:3000", description="Where the Dagster UI answers, for links.")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Tracking as the settings place it: the MLflow store, and artifacts below the platform's."""
        reach_with(settings)
        return cls(location=StorageLocation.of(settings), artifact_uri=f"{settings.artifact_uri.rstrip('/')}/mlflow")

    @property
    def tracking_uri(self) -> str:
        """The MLflow store; no field, since Dagster shows those, and the address of a database has a password."""
        return self.location.settings.mlflow_tracking_uri

    @property
    def ui_url(self) -> str:
        """Where the MLflow UI answers, for links."""
        is_server = self.tracking_uri.startswith(("http://", "https://"))
        return self.tracking_uri.rstrip("/") if is_server else "http://127.0.0.1:5000"

    @property
    def registry(self) -> ModelRegistry:
        """The models of this store, and the log of each below the platform's artifacts."""
        return ModelRegistry(self.tracking_uri, self.location.artifacts())

    @property
    def journal(self) -> Journal:
        """What MLflow has still to be told."""
        return Journal.below(self.location.artifacts())

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

        If MLflow cannot be had and has not given an id before, it is a name that begins with `waiting-`, which every
        method here takes as well. With `instance`, the Dagster run is tagged with it, which is also what lets a failure
        of the run close it.
        """
        opened = Opened(
            key=key,
            experiment=experiment,
            run_name=run_name,
            tags={**(tags or {}), **self._tags(key)},
            inputs=tuple(inputs),
        )
        self._say(key.digest, opened)
        receipt = self.journal.receipt(key.digest)
        run_id = receipt.run_id if receipt else f"{WAITING}{key.digest}"
        if instance is not None and instance.has_run(key.run_id):
            instance.add_run_tags(key.run_id, {MLFLOW_RUN_TAG: run_id})
        return run_id

    def close_run(self, run_id: str, status: EndStatus = "FINISHED") -> None:
        """End the run; a second end with the same status changes nothing."""
        self._say(self.journal.run_of(run_id), Closed(status=status))

    def close_runs_of(self, dagster_run_id: str, status: EndStatus, opened_last: str) -> list[str]:
        """End every open MLflow run of a Dagster run; their ids. While MLflow is away, that waits for `opened_last`."""
        wanted = f"tags.`{DAGSTER_RUN_TAG}` = '{dagster_run_id}' and attributes.status = 'RUNNING'"
        try:
            with reaching(self.tracking_uri):
                client = self._client
                experiments = [experiment.experiment_id for experiment in client.search_experiments()]
                open_runs = [run.info.run_id for run in client.search_runs(experiments, wanted)]
                for run_id in open_runs:
                    client.set_terminated(run_id, status)
        except RegistryUnreachableError as error:
            closed = Closed(status=status, dagster_run_id=dagster_run_id)
            self.journal.append(self.journal.run_of(opened_last), closed, error.got or error.what)
            return []
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
        files = {f"figures/{name}.png": data for name, data in (figures or {}).items()}
        files |= {name: _as_bytes(content) for name, content in (artifacts or {}).items()}
        recorded = Recorded(
            at_ms=int(time.time() * 1000),
            params={name: str(value) for name, value in (params or {}).items()},
            metrics=metrics or {},
            curves=curves or {},
            tags=tags or {},
            files={name: base64.b64encode(data) for name, data in files.items()},
        )
        self._say(self.journal.run_of(run_id), recorded)

    def log_model(self, run_id: str, name: str, *, uri: str, sha256: str) -> str:
        """MLflow's URI of the model whose canonical bytes are at `uri`; its copy holds these bytes.

        Empty while MLflow cannot be had; `found` gives it later.
        """
        run = self.journal.run_of(run_id)
        if not self._say(run, ModelLogged(name=name, uri=uri, sha256=sha256)):
            return ""
        receipt = self.journal.receipt(run)
        return receipt.mlflow_uri if receipt else ""

    def found(self, run_id: str, mlflow_uri: str, awaited: Awaited, stands: str) -> TrackedModel:
        """The MLflow run and model of a training, once MLflow has been told all that waited for it.

        Raises:
            RegistryUnreachableError: MLflow cannot be had. `awaited` is noted, for whoever replays the journal; the
                error says what `stands` meanwhile.
        """
        run = self.journal.run_of(run_id)
        try:
            with reaching(self.tracking_uri):
                self._client.search_experiments(max_results=1)
                self._replay(run)
        except RegistryUnreachableError as error:
            if awaited not in [each.note.entry for each in self.journal.kept(run)]:
                self.journal.append(run, awaited, error.got or error.what)
            raise RegistryUnreachableError(
                error.what,
                got=error.got,
                kept=stands,
                remedy=f"Start it; the sensor {REPLAY_SENSOR} then asks for {awaited.asset} {awaited.partition} by "
                "itself. Without the daemon, `ml-platform tracking replay` tells MLflow what waits, and a retry of "
                "this run from its failure does the rest.",
            ) from error
        self.journal.settle(awaited)
        receipt = self.journal.receipt(run)
        if receipt is None:
            return TrackedModel("" if run_id.startswith(WAITING) else run_id, mlflow_uri)
        return TrackedModel(receipt.run_id, mlflow_uri or receipt.mlflow_uri)

    def replay(self, *, within_seconds: float = math.inf) -> Iterator[Replayed]:
        """Tell MLflow what waits, run by run, the longest waiting first; killed or repeated, it is told once.

        Raises:
            RegistryUnreachableError: MLflow cannot be had (any more). What it was not told waits on.
        """
        began = time.monotonic()
        for waiting in self.journal.pending():
            if time.monotonic() - began > within_seconds:
                return
            try:
                with reaching(self.tracking_uri):
                    self._replay(waiting.run)
            except RegistryUnreachableError:
                raise
            except refusals() as error:
                yield Replayed(waiting, "", str(error).partition("\n")[0])
            else:
                receipt = self.journal.receipt(waiting.run)
                yield Replayed(waiting, receipt.run_id if receipt else waiting.run, "")

    @contextmanager
    def stock(self, context: dg.AssetExecutionContext | dg.OpExecutionContext, run_id: str) -> Iterator["MlFlow"]:
        """dagster-mlflow's object on the open run `run_id`, for MLflow's fluent interface; it stays open afterwards."""
        from ml_platform.tracking.stock import attached

        experiment_id = self._client.get_run(run_id).info.experiment_id
        name = self._client.get_experiment(experiment_id).name
        with attached(context, self.tracking_uri, name, run_id) as stock:
            yield stock

    def run_url(self, run_id: str) -> str:
        """Where the MLflow UI shows the run.

        Raises:
            RegistryUnreachableError: the run is not known here, and MLflow cannot be had.
        """
        receipt = self.journal.receipt(self.journal.run_of(run_id))
        if receipt is None:
            with reaching(self.tracking_uri):
                info = self._client.get_run(run_id).info
            return f"{self.ui_url}/#/experiments/{info.experiment_id}/runs/{run_id}"
        return f"{self.ui_url}/#/experiments/{receipt.experiment_id}/runs/{receipt.run_id}"

    def metadata(self, run_id: str) -> dict[str, dg.MetadataValue[Any]]:
        """Dagster metadata that leads to the MLflow run, or says that it waits."""
        try:
            if not run_id.startswith(WAITING) or self.journal.receipt(self.journal.run_of(run_id)):
                shown: dg.MetadataValue[Any] = dg.MetadataValue.url(self.run_url(run_id))
                return {"mlflow_run": shown, "mlflow_run_id": dg.MetadataValue.text(self._known_id(run_id))}
        except RegistryUnreachableError:
            return {"mlflow_run_id": dg.MetadataValue.text(run_id)}
        return {"mlflow_run": dg.MetadataValue.text("waits for MLflow, which does not answer; told when it does")}

    @property
    def _client(self) -> "MlflowClient":
        from ml_platform.tracking._client import client

        return client(self.tracking_uri)

    def _tags(self, key: RunKey) -> dict[str, str]:
        return {
            KEY_TAG: key.digest,
            ASSET_TAG: key.asset,
            PARTITION_TAG: key.partition,
            ROOT_RUN_TAG: key.root_run_id,
            DAGSTER_RUN_TAG: key.run_id,
            DAGSTER_URL_TAG: f"{self.dagster_url}/runs/{key.run_id}",
        }

    def _known_id(self, run_id: str) -> str:
        receipt = self.journal.receipt(self.journal.run_of(run_id))
        return receipt.run_id if receipt else run_id

    def _say(self, run: str, entry: Entry) -> bool:
        """Whether MLflow was told, after all that waits for this run; if it cannot be had, the entry waits as well."""
        try:
            with reaching(self.tracking_uri):
                self._replay(run)
                self._writer.say(run, entry)
        except RegistryUnreachableError as error:
            self.journal.append(run, entry, error.got or error.what)
            dg.get_dagster_logger().warning(
                f"{error.what} Got {error.got}. The work goes on; what MLflow was to be told ({entry.kind}) waits in "
                f"{self.journal.objects.uri}, and is told once it answers."
            )
            return False
        return True

    def _replay(self, run: str) -> None:
        """Tell MLflow all that waits for a run. Whoever does it at the same time tells it the same."""
        if not self.journal.kept(run):
            return
        with turn(f"{self.journal.objects.uri}/{run}"):
            kept = [each for each in self.journal.kept(run) if not isinstance(each.note.entry, Awaited)]
            for each in kept:
                self._writer.say(run, each.note.entry)
            self.journal.drop(kept)

    @property
    def _writer(self) -> MlflowWriter:
        return MlflowWriter(self.tracking_uri, self.artifact_uri, self.location.artifacts())


def _as_bytes(content: object) -> bytes:
    if isinstance(content, bytes):
        return content
    return json.dumps(content, indent=2, sort_keys=True, default=str).encode()
