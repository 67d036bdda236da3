"""What was served is held against the batch code, to the bit, and against how it turned out."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform.online.app import Parts
from ml_platform.online.declared import OnlineModel, _outcomes
from ml_platform.online.server import build
from ml_platform.operations.served_check import SERVED_QUALITY, SERVING_MATCHES_BATCH, served_definitions
from ml_platform.serving.component import QualityTable
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.online.scenario import MODEL, OnlineWorld, batch, flights, request


class ServedWorld:
    """A service over the toy world, and the check of what it served."""

    def __init__(self, home: Path) -> None:
        """Version 1 is champion, and answers."""
        self.world = OnlineWorld(home)
        self.world.promote(1)
        self.parts: Parts = build(MODEL, self.world.settings)[1].parts
        self.parts.service.follower.look()

    def serve(self, rows: pl.DataFrame) -> None:
        """Answer for these rows and publish the answers as one batch."""
        self.parts.served.add(self.parts.service.predict(request(rows)), "request")
        self.parts.served.publish()

    def shift(self, feature: str) -> None:
        """Have the service add one to a feature from now on."""
        follower, function = self.parts.service.follower, MODEL.function
        assert follower.now.history is not None

        def shifted(rows: pl.DataFrame, **tables: pl.DataFrame) -> pl.DataFrame:
            return function(rows, **tables).with_columns(pl.col(feature) + 1)

        history = replace(follower.now.history, model=MODEL._replace(function=shifted))
        follower.now = follower.now._replace(history=history)

    def arrive(self, rows: pl.DataFrame, is_late: pl.Expr) -> None:
        """Publish the labels of these rows."""
        labels = rows.select(*MODEL.features.primary_key(), is_late=is_late)
        days = [str(day) for day in labels["service_date"].unique()]
        self.world.tables.publish(MODEL.outcomes.table, labels, days, key="service_date")

    def check(self, name: str = SERVING_MATCHES_BATCH, model: OnlineModel = MODEL) -> dg.AssetCheckEvaluation:
        """The outcome of the check, run as its job runs it."""
        found = served_definitions(model, self.world.settings)
        defs = dg.Definitions.merge(found, dg.Definitions(resources=storage_resources(self.world.settings)))
        run = defs.resolve_job_def("check_flights_delay_predictions_served").execute_in_process()
        told = {each.check_name: each for each in run.get_asset_check_evaluations()}
        assert set(told) == {SERVING_MATCHES_BATCH, SERVED_QUALITY}
        return told[name]


@pytest.fixture
def served(tmp_path: Path) -> ServedWorld:
    """A service that has not answered yet."""
    return ServedWorld(tmp_path)


def numbers(told: dg.AssetCheckEvaluation, *names: str) -> list[object]:
    """Values of the metadata."""
    return [told.metadata[name].value for name in names]


def test_what_is_served_is_what_the_batch_makes(served: ServedWorld) -> None:
    served.serve(flights().tail(10))
    told = served.check()
    assert told.passed
    assert numbers(told, "rows_looked_at", "rows_compared", "probabilities_compared") == [10, 10, 10]


def test_one_shifted_feature_is_found_in_the_one_batch_that_has_it(served: ServedWorld) -> None:
    served.serve(flights().tail(10))
    served.shift("distance_miles")
    served.serve(flights().tail(1))
    told = served.check()
    [difference] = numbers(told, "differences")[0]
    assert not told.passed
    assert str(difference).startswith("distance_miles: ")


def test_rows_are_compared_by_the_versions_that_they_were_made_from(served: ServedWorld) -> None:
    served.serve(flights().tail(10))
    late = flights().with_columns(pl.col("arrival_delay_minutes") + 30, pl.col("departure_delay_minutes") + 30)
    served.world.publish(late, served.world.tables.scan("flights/weather_clean").collect())
    assert served.check().passed


def test_nothing_served_is_nothing_wrong(served: ServedWorld) -> None:
    told = served.check()
    assert (told.passed, numbers(told, "rows_looked_at")) == (True, [0])


def by_version(told: dg.AssetCheckEvaluation) -> list[tuple[object, ...]]:
    """Version, rows, labels and ROC AUC of everybody who answered."""
    names = ("model_version", "rows_scored", "rows_labelled", "roc_auc_score")
    records, _ = told.metadata["by_version"].value  # and its schema
    return [tuple(record.data[name] for name in names) for record in records]


def test_what_was_served_is_scored_by_version_once_labels_arrive(served: ServedWorld) -> None:
    rows = flights().tail(10)
    served.serve(rows)
    assert by_version(served.check(SERVED_QUALITY)) == [(1, 10, 0, "")]
    scores = pl.Series(batch(1, rows))
    served.arrive(rows, pl.lit(scores > scores.median()))
    served.world.promote(2)
    served.parts.service.follower.look()
    served.serve(rows.head(3))
    told = served.check(SERVED_QUALITY)
    assert [line[:3] for line in by_version(told)] == [(1, 10, 10), (2, 3, 3)]
    assert by_version(told)[0][3] == 1.0


def test_a_version_that_ranks_worse_than_its_limit_is_told_once_it_has_enough_labels(served: ServedWorld) -> None:
    rows = flights().tail(10)
    served.serve(rows)
    scores = pl.Series(batch(1, rows))
    served.arrive(rows, pl.lit(scores <= scores.median()))
    few = MODEL._replace(outcomes=MODEL.outcomes._replace(fewest_labels=10))
    assert served.check(SERVED_QUALITY).passed
    assert not served.check(SERVED_QUALITY, few).passed


def test_limits_that_are_not_declared_are_those_of_the_daily_quality() -> None:
    found = _outcomes("flights", {"labels": "delay_labels", "label_column": "is_late"})
    fields = QualityTable.model_fields
    names = ("lowest_roc_auc_score", "highest_roc_auc_score", "fewest_labels")
    assert (found.lowest, found.highest, found.fewest_labels) == tuple(fields[name].default for name in names)
