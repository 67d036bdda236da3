"""The process that makes a model again: an order in, an answer out, and nothing written but scratch and answer.

Run as `python -m ml_platform.provenance.reproduce_process ORDER` in the folder whose code is to make it.
"""

import os
import sys
from pathlib import Path

import polars as pl

from ml_platform.errors import PlatformError, ReproductionError
from ml_platform.provenance.reproduction import Answer, Comparison, Order, Predicted
from ml_platform.serving.scoring import score_by_day
from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.models import TabularModel
from ml_platform.tracking.registry import RegisteredModel
from ml_platform.training.rebuilding import Rebuilt, rebuild
from ml_platform.training.records import TrainedModel
from ml_platform.training.training_run import training_code

OF_THE_MODEL = "model_"


def carry_out(order: Order) -> Answer:
    """The model and its predictions, made again.

    Raises:
        ReproductionError: the record does not say what the model was made from.
    """
    model = TrainedModel.model_validate_json(Path(order.record).read_bytes())
    if model.origin is None:
        raise ReproductionError(f"The record of {order.registered.name} {order.registered.version} has no origin.")
    tables = TableStore.from_settings(Settings(data_uri=order.data_uri))
    rebuilt = rebuild(tables, ObjectStore(order.scratch_uri), model, model.origin)
    predicted, made = order.predicted, rebuilt.fit.model
    return _answer(rebuilt, compare_predictions(tables, predicted, order.registered, made) if predicted else None)


def compare_predictions(
    tables: TableStore, predicted: Predicted, registered: RegisteredModel, model: TabularModel
) -> Comparison:
    """What the version published, against what `model` gives for the same features."""
    days = [day for each in predicted.published for day in each.days]
    stored = tables.scan(predicted.table, version=predicted.version, partitions=days)
    published = stored.filter(pl.col("model_version") == registered.version).collect()
    predicted_columns = model.task.type.columns
    keys = [name for name in published.columns if name not in predicted_columns and not name.startswith(OF_THE_MODEL)]
    made = [
        _scored(tables, predicted, each.features_version, each.days, registered, model, keys)
        for each in predicted.published
    ]
    return compared(published, pl.concat(made) if made else published.clear(), keys, len(days))


def compared(published: pl.DataFrame, made: pl.DataFrame, keys: list[str], days: int) -> Comparison:
    """Two frames of predictions, row by row."""
    both = published.join(made, on=keys, how="inner", suffix="_made")
    others = [name for name in published.columns if name not in keys]
    is_equal = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_made")) for name in others)
    numbers = [name for name in others if published.schema[name].is_float()]
    apart = pl.max_horizontal(pl.lit(0.0), *((pl.col(name) - pl.col(f"{name}_made")).abs().max() for name in numbers))
    return Comparison(
        days=days,
        rows=published.height,
        rows_equal=both.filter(is_equal).height,
        rows_missing=published.height - both.height,
        rows_surplus=made.height - both.height,
        largest_difference=float(both.select(apart).item() or 0.0),
    )


def _scored(
    tables: TableStore,
    predicted: Predicted,
    version: int,
    days: tuple[str, ...],
    registered: RegisteredModel,
    model: TabularModel,
    keys: list[str],
) -> pl.DataFrame:
    features = tables.scan(predicted.features_table, version=version, partitions=days).collect()
    champions = dict.fromkeys(features[predicted.day_column].unique(), registered)
    return score_by_day(features, champions, lambda _: model, day_column=predicted.day_column, keys=keys)


def _answer(rebuilt: Rebuilt, predictions: Comparison | None) -> Answer:
    spent = os.times()
    return Answer(
        sha256=rebuilt.fit.sha256,
        bytes=len(rebuilt.fit.data),
        code=training_code(rebuilt.fit.model.trainer).definitions,
        trials=rebuilt.trials,
        predictions=predictions,
        cpu_seconds=spent.user + spent.system + spent.children_user + spent.children_system,
    )


def main() -> None:
    """Carry out the order in the file that the first argument names; an error is told in full on stderr."""
    order = Order.model_validate_json(Path(sys.argv[1]).read_bytes())
    try:
        answer = carry_out(order)
    except PlatformError as error:
        sys.exit(str(error))
    Path(order.answer).write_text(answer.model_dump_json())


if __name__ == "__main__":
    main()
