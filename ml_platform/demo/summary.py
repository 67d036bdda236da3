"""What is there after a demonstration, collected from tables and records; shown by `tables`."""

from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_platform.demo.models import MonthlyModel, read_models
from ml_platform.demo.report import DemoReport, read_report
from ml_platform.demo.rows import AuditedRows, ComputedRows, TableContent, count_audited, count_computed, read_contents
from ml_platform.demo.served import WalkForward, walk_forward
from ml_platform.demo.shown import DEFAULT, shown
from ml_platform.errors import SettingsError
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.settings import Settings, without_password
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore


class Place(BaseModel):
    """Where to look next."""

    model_config = ConfigDict(frozen=True)

    what: str = Field(description="What is seen there.")
    how: str = Field(description="The command, address or folder.")


class Summary(BaseModel):
    """All of it."""

    model_config = ConfigDict(frozen=True)

    row: str = Field(default="row", description="What one prediction is of, a singular noun.")
    task: Task = Field(default=BINARY, description="What is predicted.")
    audited: tuple[AuditedRows, ...] = Field(description="Cleaned tables: rows in, published, quarantined.")
    computed: tuple[ComputedRows, ...] = Field(description="Tables computed from them.")
    contents: tuple[TableContent, ...] = Field(description="What each published table holds, as one hash.")
    models: tuple[MonthlyModel, ...] = Field(description="Models by as-of month.")
    walk_forward: WalkForward | None = Field(description="How the predictions turned out; null before there are any.")
    cost: DemoReport | None = Field(description="The last demonstration; null if there was none.")
    places: tuple[Place, ...] = Field(description="Where to look next.")


class Difference(NamedTuple):
    """A table or model, and its hash in either summary; None where it is not there."""

    what: str
    found: str | None
    wanted: str | None


def collect(settings: Settings, use_case: str = DEFAULT) -> Summary:
    """The summary of what `settings` point at of a use case; nothing is created, and what is missing is null."""
    of = shown(use_case)
    tables = TableStore.from_settings(settings)
    artifacts = ObjectStore(settings.artifact_uri, settings.fsspec_options(settings.artifact_uri))
    return Summary(
        row=of.deployment.predictions.row,
        task=of.model.task,
        audited=count_audited(tables, of),
        computed=count_computed(tables, of),
        contents=read_contents(tables, of),
        models=read_models(artifacts, of),
        walk_forward=walk_forward(tables, of),
        cost=read_report(settings, use_case),
        places=_places(settings),
    )


def read_summary(path: Path) -> Summary:
    """The summary that was saved as JSON.

    Raises:
        SettingsError: there is no such file, or it holds no summary.
    """
    try:
        return Summary.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise SettingsError(
            f"{path} is no saved summary.",
            got=str(error).splitlines()[0],
            remedy=f"Save one with: ml-platform summary --json > {path}",
        ) from error


def differences(one: Summary, other: Summary) -> tuple[Difference, ...]:
    """Tables and models whose content is not the same in both, or that only one of them has."""
    found, wanted = _identities(one), _identities(other)
    return tuple(
        Difference(what, found.get(what), wanted.get(what))
        for what in {**wanted, **found}
        if found.get(what) != wanted.get(what)
    )


def _identities(summary: Summary) -> dict[str, str]:
    tables = {f"table {each.table}": each.content_root for each in summary.contents}
    models = {f"model as of {each.as_of}": each.version.sha256 for each in summary.models if each.version}
    return {**tables, **models}


def _places(settings: Settings) -> tuple[Place, ...]:
    return (
        Place(what="Assets, checks, runs and lineage", how="make dev, then http://localhost:3000"),
        Place(
            what="Experiments and registered models",
            how=f"mlflow ui --backend-store-uri {without_password(settings.mlflow_tracking_uri)}",
        ),
        Place(what="Tables (Delta Lake)", how=settings.data_uri),
        Place(what="This summary as data", how="ml-platform summary --json"),
    )
