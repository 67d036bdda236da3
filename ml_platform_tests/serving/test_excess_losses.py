"""The loss of a day, beside that of a baseline."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from ml_platform.serving.drift import Columns, excess_losses

COLUMNS = Columns(day="day", keys=("day", "flight"), predictions=("probability",))
DAYS = [dt.date(2013, 10, 1) + dt.timedelta(days=number) for number in range(40)]


def world(rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Predictions and labels of `rows` flights on each day."""
    draws = np.random.default_rng(0)
    keys = pl.DataFrame({"day": DAYS}).join(pl.DataFrame({"flight": range(rows)}), how="cross")
    predictions = keys.with_columns(probability=pl.Series(draws.random(keys.height)))
    return predictions, keys.with_columns(is_late=pl.Series(draws.random(keys.height) < 0.3))


def test_a_day_alone_has_the_same_as_among_others_to_the_last_bit() -> None:
    predictions, labels = world(rows=997)
    whole = excess_losses(predictions, labels, COLUMNS, "is_late", None)
    alone = [excess_losses(predictions.filter(pl.col("day") == day), labels, COLUMNS, "is_late", None) for day in DAYS]
    assert pl.concat(alone).equals(whole)


def test_it_is_the_mean_squared_error_of_the_rows_with_a_label() -> None:
    predictions, labels = world(rows=3)
    labels = labels.with_columns(is_late=pl.when(pl.col("flight") > 0).then(pl.col("is_late")))
    (_, loss), *_ = excess_losses(predictions, labels, COLUMNS, "is_late", None).rows()
    errors = predictions["probability"][1:3] - labels["is_late"][1:3].cast(pl.Float64)
    assert loss == pytest.approx((errors**2).mean())


def test_a_day_without_labels_has_no_loss() -> None:
    predictions, labels = world(rows=3)
    nothing = labels.with_columns(is_late=pl.lit(None, dtype=pl.Boolean))
    assert excess_losses(predictions, nothing, COLUMNS, "is_late", None).is_empty()
