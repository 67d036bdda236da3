"""Predictions: any set of days in one run, each with the champion of its day, or nothing at all."""

import datetime as dt

import dagster as dg
import polars as pl
import pytest

from ml_platform.errors import ContractViolatedError, NoChampionError, ObjectCorruptError, PartitionNotPublishedError
from ml_platform.serving.predictions import prediction_checks, require_passed
from ml_platform_tests.serving.scenario import HOURS, KEYS, World, flights

AROUND_NOVEMBER = ["2013-10-30", "2013-10-31", "2013-11-01", "2013-11-02"]


@pytest.fixture
def two_champions(world: World) -> World:
    """Features and labels around 1 November, with champions of October and November."""
    world.land(AROUND_NOVEMBER)
    world.promote("2013-10-01", "2013-11-01")
    return world


def test_each_day_is_predicted_by_its_own_champion(two_champions: World) -> None:
    result = two_champions.run("delay_predictions", AROUND_NOVEMBER[0], AROUND_NOVEMBER[-1])
    table = two_champions.table("delay_predictions")
    assert table["model_version"].to_list() == [1] * 8 + [2] * 8
    assert (table["probability"] > 0.5).to_list() == [hour > 12 for hour in HOURS] * 4
    assert {each.check_name: each.passed for each in result.get_asset_check_evaluations()} == {
        "every_flight_has_a_prediction": True,
        "predictions_are_probabilities": True,
        "is_not_degraded": True,
    }


def test_a_probability_leads_to_the_features_that_its_model_reads(two_champions: World) -> None:
    result = two_champions.run("delay_predictions", AROUND_NOVEMBER[0], AROUND_NOVEMBER[-1])
    lineage = result.asset_materializations_for_node("flights__delay_predictions")[-1].metadata[
        "dagster/column_lineage"
    ]
    assert isinstance(lineage.value, dg.TableColumnLineage)
    named = {name: [each.column_name for each in deps] for name, deps in lineage.value.deps_by_column.items()}
    assert named["probability"] == ["champion.sha256", "hour"]
    assert named["model_version"] == ["champion.version"]
    assert all(named[name] == [name] for name in KEYS)


def test_days_one_by_one_equal_days_in_one_run(two_champions: World) -> None:
    two_champions.run("delay_predictions", AROUND_NOVEMBER[0], AROUND_NOVEMBER[-1])
    together = two_champions.location.tables().partitions("flights/delay_predictions")
    version = two_champions.location.tables().version("flights/delay_predictions")
    for day in AROUND_NOVEMBER:
        two_champions.run("delay_predictions", day)
    assert two_champions.location.tables().partitions("flights/delay_predictions") == together
    assert two_champions.location.tables().version("flights/delay_predictions") == version


def test_a_refused_month_is_predicted_by_the_month_before(world: World) -> None:
    world.land(AROUND_NOVEMBER)
    world.promote("2013-10-01")
    world.promote("2013-11-01", gate="refused")
    world.run("delay_predictions", "2013-11-02")
    assert world.table("delay_predictions")["model_as_of"].unique().to_list() == [dt.date(2013, 10, 1)]


def test_a_day_whose_month_has_no_record_yet_is_predicted_by_the_last_champion(world: World) -> None:
    world.land(["2013-12-24"])
    world.promote("2013-10-01")
    world.run("delay_predictions", "2013-12-24")
    assert world.table("delay_predictions")["model_version"].to_list() == [1] * 4


def test_a_day_before_the_first_champion_stops_the_run_and_publishes_nothing(world: World) -> None:
    world.land(["2013-10-31"])
    world.promote("2013-10-01", gate="refused")
    with pytest.raises(NoChampionError, match="1 of 1 days have no champion, 2013-10-31"):
        world.run("delay_predictions", "2013-10-31")
    assert world.location.tables().version("flights/delay_predictions") is None


def test_a_day_without_any_promotion_names_what_to_materialize(world: World) -> None:
    world.land(["2013-10-31"])
    with pytest.raises(PartitionNotPublishedError, match="Materialize flights/delay_champion"):
        world.run("delay_predictions", "2013-10-31")


def test_without_a_fallback_a_champion_whose_bytes_changed_stops_the_run(two_champions: World) -> None:
    artifacts = two_champions.location.artifacts()
    for each in artifacts.list("models"):
        artifacts.write(each.path, artifacts.read(each.path)[:-1] + b"?")
    with pytest.raises(ObjectCorruptError):
        two_champions.run("delay_predictions", "2013-10-31", has_fallback=False)


def scored(*probabilities: float | None) -> pl.DataFrame:
    keys = flights(["2013-10-01"]).select(KEYS).head(len(probabilities))
    return keys.with_columns(pl.Series("probability", probabilities, dtype=pl.Float64))


@pytest.mark.parametrize(
    ("predicted", "failed"),
    [
        (scored(0.1, 0.2, 0.3, 0.4), []),
        (scored(0.1, 0.2, 0.3), ["every_flight_has_a_prediction"]),
        (pl.concat([scored(0.1, 0.2, 0.3, 0.4), scored(0.1)]), ["every_flight_has_a_prediction"]),
        (scored(0.1, 0.2, 0.3, 1.4), ["predictions_are_probabilities"]),
        (scored(0.1, 0.2, 0.3, float("nan")), ["predictions_are_probabilities"]),
        (scored(0.1, 0.2, 0.3, None), ["predictions_are_probabilities"]),
    ],
)
def test_a_missing_repeated_or_improbable_prediction_fails_its_check(
    predicted: pl.DataFrame, failed: list[str]
) -> None:
    asked = flights(["2013-10-01"]).select(KEYS)
    checks = list(prediction_checks(dg.AssetKey("p"), "flight", asked, predicted))
    assert [check.check_name for check in checks if not check.passed] == failed


def test_a_failed_check_is_told_with_its_counts() -> None:
    checks = list(prediction_checks(dg.AssetKey("p"), "flight", scored(0.1, 0.2).select(KEYS), scored(0.1)))
    with pytest.raises(ContractViolatedError, match="every_flight_has_a_prediction: rows 2, without_prediction 1"):
        require_passed(checks, "flights/delay_predictions")
