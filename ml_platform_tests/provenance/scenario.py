"""A toy platform of seven tables and records: eight days of two sensors, a model of February, and its predictions.

landing -> raw -> clean -> features (the day and two before it), labels -> model -> version -> champion -> predictions
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData

from ml_platform.components.column_lineage import told
from ml_platform.data.landed import LANDING_PATTERN
from ml_platform.lineage.columns import Column
from ml_platform.provenance.trace import Trace
from ml_platform.provenance.trace_links import AssetLinks
from ml_platform.provenance.trace_question import Question, answer
from ml_platform.serving.promotion import Promotion
from ml_platform.settings import Settings
from ml_platform.storage.io_managers import PARTITION_COLUMN, RECORD_TYPE, SORT_BY, Publishable
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform.tracking.registry import RegisteredModel
from ml_platform.tracking.registry_log import Action, Entry, ModelFacts, RegistryLog
from ml_platform.training.gate import GateDecision, Reason
from ml_platform.training.records import Inputs, ModelVersion, TableRead, TrainedModel
from ml_platform.training.splits import WindowConfig, windows_at

BY_DAY = dg.DailyPartitionsDefinition("2013-01-20", end_date="2013-02-05")
BY_MONTH = dg.MonthlyPartitionsDefinition("2012-10-01", end_date="2013-03-01")
PREDICTED = dg.DailyPartitionsDefinition("2013-02-01", end_date="2013-02-05")
DAYS = [str(dt.date(2013, 1, 28) + dt.timedelta(days=each)) for each in range(8)]
FEBRUARY = "2013-02-01"
COLUMNS = {"day": "Date", "sensor": "String", "value": "Int64", "keeper": "String"}
LOOK_BACK = dg.TimeWindowPartitionMapping(start_offset=-2)
CHAMPIONS = dg.TimeWindowPartitionMapping(start_offset=-40)
TABLES = ("raw", "clean", "features", "labels")


def _table(partitions: dg.PartitionsDefinition = BY_DAY, columns: Sequence[str] = tuple(COLUMNS)) -> dict[str, Any]:
    schema = [
        dg.TableColumn(
            name,
            COLUMNS.get(name, "String"),
            constraints=dg.TableColumnConstraints(other=["primary key"] if name in ("day", "sensor") else []),
            tags={"personal": "who tends the sensor"} if name == "keeper" else {},
        )
        for name in columns
    ]
    return {
        "partitions_def": partitions,
        "key_prefix": "toy",
        "io_manager_key": "tables",
        "metadata": {
            PARTITION_COLUMN: "day",
            SORT_BY: ["sensor"],
            "dagster/column_schema": dg.TableSchema(schema),
        },
    }


def _of(name: str, mapping: dg.PartitionMapping | None = None) -> dict[str, dg.AssetIn]:
    return {name: dg.AssetIn(["toy", name], partition_mapping=mapping)}


def _record(kind: type) -> dict[str, Any]:
    metadata = {RECORD_TYPE: f"{kind.__module__}:{kind.__name__}"}
    return {"partitions_def": BY_MONTH, "key_prefix": "toy", "io_manager_key": "records", "metadata": metadata}


POSITIVE = dg.AssetCheckSpec("values_are_positive", asset=["toy", "clean"])
LANDING = dg.AssetSpec(["toy", "landing", "raw"], partitions_def=BY_DAY, metadata={LANDING_PATTERN: "toy/{day}.csv"})


@dg.asset(name="raw", deps=[LANDING.key], required_resource_keys={"landing"}, code_version="raw-1", **_table())
def raw(context: dg.AssetExecutionContext) -> Publishable:
    objects = {day: context.resources.landing.read(f"toy/{day}.csv") for day in context.partition_keys}
    told = {
        day: {"landing_object": f"toy/{day}.csv", "landing_sha256": hashlib.sha256(data).hexdigest()}
        for day, data in objects.items()
    }
    return Publishable(pl.concat(pl.read_csv(data, try_parse_dates=True) for data in objects.values()), told)


@dg.asset(name="clean", ins=_of("raw"), check_specs=[POSITIVE], **_table())
def clean(raw: pl.LazyFrame) -> Any:
    rows = raw.collect()
    yield dg.AssetCheckResult(passed=rows.filter(pl.col("value") <= 0).is_empty(), metadata={"rows_in": rows.height})
    yield dg.Output(rows)


@dg.asset(name="features", ins=_of("clean", LOOK_BACK), **_table(columns=("day", "sensor")))
def features(context: dg.AssetExecutionContext, clean: pl.LazyFrame) -> pl.DataFrame:
    rows = clean.sort("day").with_columns(total=pl.col("value").cum_sum().over("sensor")).drop("keeper")
    return rows.filter(pl.col("day").cast(pl.String).is_in(context.partition_keys)).collect()


@dg.asset(name="labels", ins=_of("clean"), **_table(columns=("day", "sensor")))
def labels(clean: pl.LazyFrame) -> Publishable:
    value = Column("toy/clean", "value")
    lineage = told({"day": [Column("toy/clean", "day")], "sensor": [], "high": [value]}, rows=[value])
    return Publishable(clean.select("day", "sensor", high=pl.col("value") > 5), of_table=lineage)


@dg.asset(
    name="delay_model",
    deps=[dg.AssetDep(["toy", name], partition_mapping=dg.AllPartitionMapping()) for name in ("features", "labels")],
    required_resource_keys={"tables", "artifacts"},
    **_record(TrainedModel),
)
def delay_model(context: dg.AssetExecutionContext) -> TrainedModel:
    location: StorageLocation = context.resources.tables.location
    reads = [_read(location, context.run, f"toy/{name}") for name in ("features", "labels")]
    fingerprint = hashlib.sha256("".join(each.content_root for each in reads).encode()).hexdigest()
    artifacts = context.resources.artifacts
    artifacts.write(f"models/toy/{fingerprint}", fingerprint.encode())
    model = TrainedModel(
        as_of=dt.date.fromisoformat(FEBRUARY),
        uri=artifacts.uri_of(f"models/toy/{fingerprint}"),
        sha256=hashlib.sha256(fingerprint.encode()).hexdigest(),
        fingerprint=fingerprint,
        trainer="hist_gradient_boosting",
        parameters={},
        iterations=1,
        features=("total",),
        inputs=Inputs(features=reads[0], labels=reads[1]),
        windows=windows_at(dt.date.fromisoformat(FEBRUARY), "UTC", WindowConfig()),
        rows={},
        baselines=(),
        trials=(),
        mlflow_run_id="mlflow-1",
        mlflow_uri="",
    )
    artifacts.write(f"training/toy/delay/{fingerprint}/result.json", model.model_dump_json().encode())
    read = {each.table: each.version for each in reads}
    context.add_output_metadata({"fingerprint": fingerprint, "read_versions": read})
    return model


@dg.asset(name="delay_model_version", ins=_of("delay_model"), **_record(ModelVersion))
def delay_model_version(context: dg.AssetExecutionContext, delay_model: TrainedModel) -> ModelVersion:
    reason = Reason(check="model_beats_baselines", passed=True, detail="better by 0.1")
    context.add_output_metadata({"fingerprint": delay_model.fingerprint})
    given = delay_model.model_dump(include={"as_of", "uri", "sha256", "fingerprint", "mlflow_run_id"})
    decision = GateDecision(approved=True, reasons=(reason,))
    return ModelVersion(name="toy_delay", version=1, champion_version=None, decision=decision, **given)


@dg.asset(name="delay_champion", ins=_of("delay_model_version"), **_record(Promotion))
def delay_champion(delay_model_version: ModelVersion) -> Promotion:
    given = delay_model_version.model_dump(include={"name", "version", "as_of", "uri", "sha256", "fingerprint"})
    model = RegisteredModel(run_id="mlflow-1", gate="approved", is_promoted=True, **given)
    return Promotion(as_of=model.as_of, candidate=model, is_promoted=True, reason="better", champion=model)


@dg.asset(
    name="predictions",
    ins={**_of("features"), **_of("delay_champion", CHAMPIONS)},
    **_table(PREDICTED, columns=("day", "sensor")),
)
def predictions(features: pl.LazyFrame, delay_champion: Any) -> pl.LazyFrame:
    champion = delay_champion[FEBRUARY].champion
    return features.select(
        "day",
        "sensor",
        probability=pl.col("total") / 100,
        model_as_of=pl.lit(champion.as_of),
        model_version=pl.lit(champion.version, dtype=pl.Int64),
        model_fingerprint=pl.lit(champion.fingerprint),
    )


ASSETS = (raw, clean, features, labels, delay_model, delay_model_version, delay_champion, predictions)


class World:
    """The toy platform in one folder, with its own Dagster history."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        """An empty platform."""
        self.settings, self.instance = settings, instance
        self.location = StorageLocation.of(settings)
        self.definitions = dg.Definitions([LANDING, *ASSETS], resources=storage_resources(settings))

    def land(self, day: str, value: int = 1) -> None:
        """The object of one day: two sensors, the second with ten times the value."""
        lines = ["day,sensor,value,keeper", f"{day},a,{value},Ada", f"{day},b,{value * 10},Bob"]
        self.location.landing().write(f"toy/{day}.csv", "\n".join(lines).encode())

    def run(self, *assets: str, days: Sequence[str]) -> str:
        """Materialize assets for the first to the last of the days, or months; the run's id."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            asset_selection=[dg.AssetKey(["toy", asset]) for asset in assets],
            instance=self.instance,
            partition_key=days[0] if len(days) == 1 else None,
            tags={"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
            if len(days) > 1
            else None,
            raise_on_error=False,
        )
        return result.run_id

    def build(self) -> "World":
        """Everything, once: all days in one run, then the model, then the predictions of February."""
        for day in DAYS:
            self.land(day)
        self.run(*TABLES, days=DAYS)
        self.run("delay_model", "delay_model_version", "delay_champion", days=[FEBRUARY])
        self.run("predictions", days=DAYS[4:])
        return self

    def report(self, asset: str, day: str, run_id: str, tags: dict[str, str]) -> None:
        """One more materialization of what stands, as that run would have told of it."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        event = dg.AssetMaterialization(["toy", asset], partition=day, tags=tags)
        self.instance.report_dagster_event(
            DagsterEvent(
                DagsterEventType.ASSET_MATERIALIZATION.value,
                run.job_name,
                event_specific_data=StepMaterializationData(event),
            ),
            run_id,
        )

    def decide(self, fingerprint: str, *actions: Action) -> None:
        """Entries in the registry's log about version 1: the first by a run, the rest by Ada."""
        log = RegistryLog(self.location.artifacts().below("registry"), "toy_delay")
        day = dt.date.fromisoformat(FEBRUARY)
        facts = ModelFacts(as_of=day, uri="", sha256="0" * 64, fingerprint=fingerprint, run_id="")
        for action in actions:
            entry = Entry(1, action, "run 1" if action == "registered" else "Ada", "", facts)
            log.record(lambda _, entry=entry: entry)

    def ask(self, name: str, key: str | None = None, **question: Any) -> Trace:
        """The trace of one question."""
        links = AssetLinks([self.definitions])
        return answer(Question(name, key, **question), self.settings, self.instance, links)


def _read(location: StorageLocation, run: dg.DagsterRun, table: str) -> TableRead:
    version = location.pins(run).pin(table)
    days = [day for day in location.tables().partitions(table, version) if day < FEBRUARY]
    root = location.tables().content_root(table, days, version)
    return TableRead(table=table, version=version, days=len(days), content_root=root)
