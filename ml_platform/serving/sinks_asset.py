"""The asset of one sink: a table of receipts, one a day, which says where its predictions went.

It is a table like any other, so a trace leads from predictions to where they were sent, and a day that was predicted
again shows as stale until it is sent again. Receipts say what is there, and not when it was sent: the commit does.
"""

from collections.abc import Iterator

import dagster as dg
import dataframely as dy
import polars as pl

from ml_platform.components.automation_sensor import Job
from ml_platform.components.databases import Database
from ml_platform.components.degrading import decide, degradation_check_spec, same_partition
from ml_platform.components.partitions import partitions_of_run, rows_among
from ml_platform.components.reuse import Recipe
from ml_platform.components.use_case import UseCase
from ml_platform.contracts.columns import personal_columns
from ml_platform.errors import PartitionNotPublishedError
from ml_platform.serving.component import Deployment, PredictionSink
from ml_platform.serving.contract import receipts_contract
from ml_platform.serving.sinks import ObjectSink, Sent, Sink, TableSink
from ml_platform.serving.tables import BACKFILL_IN_ONE_RUN, table_spec
from ml_platform.storage.io_managers import DeltaTableIOManager, Publishable
from ml_platform.storage.location import StorageLocation

WHAT_WAS_SENT_IS_THERE = "what_was_sent_is_there"
Events = Iterator[dg.Output[Publishable] | dg.AssetCheckResult]


def sink_assets(use_case: UseCase, deployment: Deployment) -> list[dg.AssetsDefinition]:
    """One asset for each sink of the predictions."""
    return [_sink_asset(use_case, deployment, sink) for sink in deployment.predictions.sinks]


def send_job(use_case: UseCase, deployment: Deployment, sinks: list[dg.AssetsDefinition]) -> Job:
    """A job of its own: a sink that is away fails no run that predicts."""
    return dg.define_asset_job(
        f"send_{use_case.name}_{deployment.predictions.name}",
        dg.AssetSelection.assets(*sinks),
        description="Sends the predictions of each day to the sinks that are declared.",
    )


def _sink_asset(use_case: UseCase, deployment: Deployment, sink: PredictionSink) -> dg.AssetsDefinition:
    predicted = deployment.predictions
    features: type[dy.Schema] = use_case.resolve(predicted.contract)
    contract = receipts_contract(predicted.partition_column)
    spec = table_spec(
        use_case,
        sink.name,
        description=f"Receipt of one day of {predicted.name}, sent to {sink.destination}.",
        contract=contract,
        partition_column=predicted.partition_column,
        code_version=Recipe.of(ObjectSink.send, TableSink.send, receipts_contract).code_version,
        fresh_within_hours=sink.fresh_within_hours,
    )

    @dg.multi_asset(
        name=f"{use_case.name}__{sink.name}",
        retry_policy=use_case.retries(),
        ins={"predictions": dg.AssetIn(use_case.key(predicted.name))},
        outs={"result": dg.AssetOut.from_spec(spec, io_manager_key="tables")},
        check_specs=[
            dg.AssetCheckSpec(WHAT_WAS_SENT_IS_THERE, asset=spec.key, description="As many rows as were predicted."),
            degradation_check_spec(spec.key),
        ],
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"tables"},
    )
    def send(context: dg.AssetExecutionContext, predictions: pl.LazyFrame) -> Events:
        place = place_of(sink, context.resources.tables.location, predicted.partition_column, features)
        _require_predicted(context, f"{use_case.name}/{predicted.name}")
        sent = {
            key: place.send(rows_among(predictions, predicted.partition_column, [key]).collect(), key)
            for key in partitions_of_run(context)
        }
        yield _check(spec.key, sent)
        told = {key: each._asdict() for key, each in sent.items()}
        output = Publishable(_receipts(sent, contract), told)
        reads = {f"{use_case.name}/{predicted.name}": same_partition}
        yield from decide(context, spec.key, reads).publish(dg.Output(output))

    return send


def place_of(sink: PredictionSink, location: StorageLocation, partition_column: str, features: type[dy.Schema]) -> Sink:
    """Where a sink sends; nothing is contacted yet."""
    keys = list(features.primary_key())
    if sink.path:
        return ObjectSink(location.exports(), sink.path, sink.format)
    url_from, table = sink.url_from or "", sink.table or ""
    shows_values = not personal_columns(features)
    database = Database(url_from, location.settings.secret(url_from), shows_values=shows_values)
    return TableSink(database, table, partition_column, keys)


def _require_predicted(context: dg.AssetExecutionContext, table: str) -> None:
    """Pass if each partition of the run was predicted: what is sent of one that was not would empty its destination.

    Raises:
        PartitionNotPublishedError: one was not.
    """
    tables: DeltaTableIOManager = context.resources.tables
    published = tables.read_states(context.run, table)
    if missing := [key for key in partitions_of_run(context) if key not in published]:
        raise PartitionNotPublishedError(
            f"{table} has no {', '.join(missing[:3])}{' and more' if len(missing) > 3 else ''}",
            kept="Nothing was sent",
            remedy="Predict these days first, or send the others alone",
        )


def _receipts(sent: dict[str, Sent], contract: type[dy.Schema]) -> pl.DataFrame:
    rows = [(key, each.destination, each.rows, each.sha256) for key, each in sent.items()]
    names = contract.column_names()
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String) | {"rows": pl.Int64}, orient="row")
    return frame.with_columns(pl.col(names[0]).str.to_date())


def _check(key: dg.AssetKey, sent: dict[str, Sent]) -> dg.AssetCheckResult:
    short = {partition: each.rows_there for partition, each in sent.items() if each.rows_there != each.rows}
    return dg.AssetCheckResult(
        passed=not short,
        asset_key=key,
        check_name=WHAT_WAS_SENT_IS_THERE,
        metadata={"rows": sum(each.rows for each in sent.values()), "partitions_with_other_rows": len(short)},
    )
