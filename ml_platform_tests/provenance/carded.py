"""A registered version of the flights model as of October 2013 and all that its card follows from, made by hand.

Two months of four flights a day; one hour of weather was refused, and one flight a day has no label.
"""

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import dataframely as dy
import numpy as np
import polars as pl
import pytest
import yaml

from ml_platform.components.references import USE_CASES
from ml_platform.contracts.columns import personal
from ml_platform.data.audit import Quarantine
from ml_platform.lineage.checkout import Checkout
from ml_platform.lineage.environment import Environment
from ml_platform.point_in_time.known_at import ALWAYS
from ml_platform.provenance.catalog import Catalog, read_catalogs
from ml_platform.provenance.evidence import Evidence
from ml_platform.provenance.trace_history import RunHistory
from ml_platform.settings import Settings
from ml_platform.storage.io_managers import record_path
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.registry import RegisteredModel
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.training.evaluation import Evaluation, evaluate, evaluated_rows
from ml_platform.training.gate import GateDecision, Reason
from ml_platform.training.importance import Importance
from ml_platform.training.records import Inputs, ModelEvaluation, ModelVersion, Origin, TableRead, TrainedModel
from ml_platform.training.slices import SliceConfig
from ml_platform.training.splits import windows_at
from ml_platform.use_cases.flights.contract import DelayFeatures
from ml_platform_tests.tracking.scenario import opened
from ml_platform_tests.training.scenario import COLUMNS, departures

NAME, MONTH, AS_OF = "flights_delay", "2013-10-01", dt.date(2013, 10, 1)
DAYS = [str(dt.date(2013, 8, 3) + dt.timedelta(days=day)) for day in range(59)]
FEATURES = ("carrier", "wind_speed_mph", "weekday")
APPROVED = GateDecision(
    approved=True, reasons=(Reason(check="model_beats_baselines", passed=True, detail="log_loss better by 0.05"),)
)
REFUSED_HOUR = {
    "partition": DAYS[0],
    "table": "flights/weather_clean",
    "broken_rules": "wind_speed_is_plausible",
    "row_key": "{}",
    "row": '{"wind_speed_mph":1048.0}',
}


@pytest.fixture(scope="session")
def published(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the tables and an empty tracking store; copied, since publishing takes a second."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(empty_store, folder, dirs_exist_ok=True)
    publish_tables(TableStore.from_settings(Settings(home=folder)))
    return folder


@pytest.fixture
def carded(published: Path, tmp_path: Path) -> Iterator["Carded"]:
    """The tables, without a version yet."""
    shutil.copytree(published, tmp_path, dirs_exist_ok=True)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Carded(tmp_path, instance)


class Carded:
    """Tables, records and registry in one folder."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        """Use `home`, in which the tables are published and the tracking store has its schema."""
        self.settings, self.instance = Settings(home=home), instance
        location = StorageLocation.of(self.settings)
        self.tables, self.artifacts = location.tables(), location.artifacts()
        self.tracking = MlflowTracking.from_settings(self.settings)

    def evidence(self, catalog: Catalog | None = None) -> Evidence:
        """Where cards look things up; with another catalog than that of the platform, if given."""
        catalogs = [catalog] if catalog else read_catalogs()
        history = RunHistory(self.instance)
        return Evidence(catalogs, self.tables, self.artifacts, self.tracking, self.instance, history)

    def register(self, fingerprint: str = "f1", **changes: Any) -> RegisteredModel:
        """A promoted version with its records; `changes` are of its evaluation."""
        model = self._model(fingerprint)
        self.artifacts.write(f"training/flights/delay/{fingerprint}/result.json", model.model_dump_json().encode())
        facts = {"as_of": AS_OF, "uri": model.uri, "sha256": model.sha256, "fingerprint": fingerprint}
        version = self.tracking.registry.register(
            NAME, run_id=model.mlflow_run_id, model_uri=model.uri, sha256=model.sha256, as_of=AS_OF,
            fingerprint=fingerprint, gate="approved", gate_reason="all checks passed",
        )  # fmt: skip
        report = ModelEvaluation(
            as_of=AS_OF, model_sha256=model.sha256, holdout=scores("holdout"), test=scores("test"),
            importances=[Importance(feature=name, loss_increase=0.1 * i) for i, name in enumerate(FEATURES)],
            reasons=APPROVED.reasons,
        ).model_copy(update=changes)  # fmt: skip
        judged = ModelVersion(
            name=NAME, version=version.version, mlflow_run_id=version.run_id, champion_version=None, decision=APPROVED,
            **facts,
        )  # fmt: skip
        self.artifacts.write(record_path("flights/delay_evaluation", MONTH), report.model_dump_json().encode())
        self.artifacts.write(record_path("flights/delay_model_version", MONTH), judged.model_dump_json().encode())
        return self.tracking.registry.promote(NAME, version.version, "the first")

    def _model(self, fingerprint: str) -> TrainedModel:
        catalog = Catalog(USE_CASES / "flights")
        reads = (
            TableRead(table=f"flights/delay_{name}", version=0, days=59, content_root="r")
            for name in ("features", "labels")
        )
        origin = Origin(
            use_case="flights", config=catalog.models[0], code={}, packages=("polars",),
            checkout=Checkout(commit="c" * 40, is_clean=True),
            environment=Environment(python="3.11", machine="Linux", packages={"polars": "2.1.0", "rich": "1.0"}),
            dagster_run_id="made",
        )  # fmt: skip
        return TrainedModel(
            as_of=AS_OF, uri=self.artifacts.uri_of(f"models/flights/delay/{fingerprint}.skops"), sha256=fingerprint * 8,
            fingerprint=fingerprint, trainer="hist_gradient_boosting", parameters={"learning_rate": 0.1}, iterations=9,
            features=FEATURES, inputs=Inputs(features=next(reads), labels=next(reads)),
            windows=windows_at(AS_OF, "America/New_York", catalog.models[0].windows),
            rows={"search": 80, "validation": 40, "fit": 120, "holdout": 50}, baselines=(), trials=(),
            mlflow_run_id=opened(self.tracking), mlflow_uri="", origin=origin,
        )  # fmt: skip


def publish_tables(tables: TableStore) -> None:
    """Rows that only have a day, which is all that is counted of them."""
    days = pl.DataFrame({"service_date": [dt.date.fromisoformat(day) for day in DAYS]})
    nothing = Quarantine.create_empty()
    rows = {"raw": 4, "clean": 4, "delay_features": 4, "delay_labels": 3, "weather_raw": 2, "weather_clean": 2}
    for name, each_day in rows.items():
        tables.publish(f"flights/{name}", pl.concat([days] * each_day), DAYS, key="service_date")
    for name, refused in {"quarantine": nothing, "weather_quarantine": pl.DataFrame([REFUSED_HOUR])}.items():
        tables.publish(f"flights/{name}", refused, DAYS, key="partition")
    tables.publish("flights/airports", pl.DataFrame({"airport": ["EWR"]}), key=None)
    tables.publish("flights/airports_quarantine", nothing.drop("partition"), key=None)


def scores(window: Any) -> Evaluation:
    """The evaluation of a model that is right more often than not, over two weeks."""
    frame = departures(days=14)
    labels = frame["is_late"].to_numpy()
    chance = np.where(np.arange(len(labels)) % 3 == 0, 0.5, np.where(labels, 0.7, 0.3))
    rows = evaluated_rows(frame, chance, COLUMNS, resamples=100, seed=0)
    return evaluate(window, rows, COLUMNS, (), SliceConfig(by=("carrier",), minimum_rows=1))


class NamedCarrier(DelayFeatures):
    """The features of flights, if a carrier were a person."""

    carrier = dy.String(
        primary_key=True, metadata={**ALWAYS, **personal("names a person")}, description="Carrier code."
    )


def with_named_carriers(folder: Path) -> Catalog:
    """The catalog of flights, if a carrier were a person."""
    catalog = edited(folder, "training")
    name = catalog.name("delay_features")
    vars(catalog)["tables"] = {**catalog.tables, name: catalog.tables[name]._replace(contract=NamedCarrier)}
    return catalog


def edited(folder: Path, location: str, **changes: Any) -> Catalog:
    """The catalog of flights as it would be with other attributes of one model, or of the tables of a group."""
    shutil.copytree(USE_CASES / "flights", folder / "flights", dirs_exist_ok=True)
    path = folder / "flights" / location / "defs.yaml"
    declared = yaml.safe_load(path.read_text())
    group = declared["attributes"]["models" if location == "training" else "landed"]
    group[0] |= changes
    path.write_text(yaml.safe_dump(declared))
    return Catalog(folder / "flights")
