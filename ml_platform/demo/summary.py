"""What is there after a demonstration, collected from tables and records; shown by `tables`."""

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.demo.models import MonthlyModel, read_models
from ml_platform.demo.report import DemoReport, read_report
from ml_platform.demo.rows import AuditedRows, ComputedRows, count_audited, count_computed
from ml_platform.demo.served import WalkForward, walk_forward
from ml_platform.settings import Settings
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

    audited: tuple[AuditedRows, ...] = Field(description="Cleaned tables: rows in, published, quarantined.")
    computed: tuple[ComputedRows, ...] = Field(description="Tables computed from them.")
    models: tuple[MonthlyModel, ...] = Field(description="Models by as-of month.")
    walk_forward: WalkForward | None = Field(description="How the predictions turned out; null before there are any.")
    cost: DemoReport | None = Field(description="The last demonstration; null if there was none.")
    places: tuple[Place, ...] = Field(description="Where to look next.")


def collect(settings: Settings) -> Summary:
    """The summary of what `settings` point at; nothing is created, and what is missing is null."""
    tables = TableStore.from_settings(settings)
    artifacts = ObjectStore(settings.artifact_uri, settings.fsspec_options(settings.artifact_uri))
    return Summary(
        audited=count_audited(tables),
        computed=count_computed(tables),
        models=read_models(artifacts),
        walk_forward=walk_forward(tables),
        cost=read_report(settings),
        places=_places(settings),
    )


def _places(settings: Settings) -> tuple[Place, ...]:
    return (
        Place(what="Assets, checks, runs and lineage", how="make dev, then http://localhost:3000"),
        Place(
            what="Experiments and registered models",
            how=f"mlflow ui --backend-store-uri {settings.mlflow_tracking_uri}",
        ),
        Place(what="Tables (Delta Lake)", how=settings.data_uri),
        Place(what="This summary as data", how="ml-platform summary --json"),
    )
