"""Quality: what labels say of a day's predictions, and nothing where there are none."""

import datetime as dt

import polars as pl
import pytest

from ml_platform.serving.quality import daily_quality, outside_limits, overall
from ml_platform_tests.serving.scenario import World

DAYS = [dt.date(2013, 10, day) for day in (1, 2, 3)]


def predictions() -> pl.DataFrame:
    """Two days of four rows: the first ranked perfectly, the second with one of four pairs the wrong way round."""
    probabilities = [0.1, 0.2, 0.8, 0.9, 0.1, 0.7, 0.6, 0.9]
    return pl.DataFrame(
        {"day": [DAYS[0]] * 4 + [DAYS[1]] * 4, "row": range(8), "probability": probabilities}
    ).with_columns(model_version=3, model_rung=pl.lit("champion"))


def labels(rows: int = 8) -> pl.DataFrame:
    """Labels of the first rows: of each day the last two are positive."""
    return pl.DataFrame({"day": predictions()["day"], "row": range(8), "late": [False, False, True, True] * 2}).head(
        rows
    )


def measured(known: pl.DataFrame) -> pl.DataFrame:
    return daily_quality(predictions(), known, DAYS, day_column="day", keys=["day", "row"], label_column="late")


def test_scores_by_hand() -> None:
    quality = measured(labels())
    assert quality["roc_auc_score"].to_list() == [1.0, 0.75, None]
    assert quality["brier_score_loss"].to_list() == pytest.approx([0.025, 0.1675, None])
    assert quality["positive_rate"].to_list() == [0.5, 0.5, None]
    assert quality["rows_scored"].to_list() == [4, 4, 0]


def test_labels_that_have_not_arrived_are_not_counted() -> None:
    quality = measured(labels(7))
    assert quality["rows_labelled"].to_list() == [4, 3, 0]
    assert quality["mean_probability"].to_list() == pytest.approx([0.5, 1.4 / 3, None])


def test_a_day_without_labels_has_counts_and_no_scores() -> None:
    day = measured(labels(4)).row(1, named=True)
    assert (day["rows_scored"], day["rows_labelled"], day["model_version"]) == (4, 0, 3)
    assert {day[name] for name in ("roc_auc_score", "pr_auc_score", "log_loss", "positive_rate")} == {None}


def test_only_days_with_enough_labels_are_judged() -> None:
    quality = measured(labels())
    assert outside_limits(quality, lowest=0.8, highest=1.0, fewest_labels=4)["day"].to_list() == [DAYS[1]]
    assert outside_limits(quality, lowest=0.8, highest=0.9, fewest_labels=4)["day"].to_list() == DAYS[:2]
    assert outside_limits(quality, lowest=0.8, highest=1.0, fewest_labels=5).is_empty()


def test_the_overall_means_weigh_days_by_their_labels() -> None:
    assert overall(measured(labels()))["roc_auc_score"] == pytest.approx(0.875)
    assert overall(measured(labels(0))) == {}


def test_the_table_of_quality_has_one_row_a_day(world: World) -> None:
    days = ["2013-10-01", "2013-10-02"]
    world.land(days, labelled=days[:1])
    world.promote("2013-10-01")
    world.run("delay_predictions", *days)
    told = world.metadata(world.run("delay_quality", *days))
    table = world.table("delay_quality")
    assert table["roc_auc_score"].to_list() == [1.0, None]
    assert table["rows_labelled"].to_list() == [4, 0]
    assert told["quality_over_days"].startswith("![quality over days](data:image/png;base64,iVBOR")


@pytest.mark.parametrize(("highest", "passed"), [(1.0, True), (0.95, False)])
def test_a_day_that_ranks_too_well_is_reported_and_published(world: World, highest: float, passed: bool) -> None:
    world.land(["2013-10-01"])
    world.promote("2013-10-01")
    world.run("delay_predictions", "2013-10-01")
    result = world.run("delay_quality", "2013-10-01", highest_roc_auc_score=highest)
    check = next(each for each in result.get_asset_check_evaluations() if "limits" in each.check_name)
    assert (check.check_name, check.passed, result.success) == ("daily_quality_is_within_its_limits", passed, True)
