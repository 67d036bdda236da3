"""What a reader sees of one day of predictions, and of its quality."""

import datetime as dt

import polars as pl

from ml_platform.serving.plots import quality_over_days
from ml_platform.serving.presentation import champion_by_day, quality_by_day
from ml_platform.tracking.registry import RegisteredModel

DAYS = [dt.date(2013, 10, 1), dt.date(2013, 10, 2)]
QUALITY = pl.DataFrame(
    {
        "day": DAYS,
        "rows_scored": [4, 4],
        "roc_auc_score": [0.712345, None],
        "mean_probability": [0.2, 0.3],
        "positive_rate": [0.25, None],
    }
)


def test_each_day_tells_its_own_scores_in_four_digits_and_none_that_it_has_not() -> None:
    told = quality_by_day(QUALITY, "day")
    assert told["2013-10-01"]["roc_auc_score"] == 0.7123
    assert told["2013-10-02"] == {"rows_scored": 4, "mean_probability": 0.3}


def test_each_day_tells_the_version_that_predicted_it() -> None:
    october = RegisteredModel(
        name="delay", version=3, as_of=DAYS[0], uri="", sha256="", fingerprint="f", run_id="", gate="approved"
    )
    told = champion_by_day(dict.fromkeys(DAYS, october), {})
    assert told["2013-10-02"] == {
        "model_version": 3,
        "model_as_of": "2013-10-01",
        "model_fingerprint": "f",
        "model_rung": "champion",
    }


def test_quality_over_days_is_a_small_png_also_where_days_have_no_labels() -> None:
    png = quality_over_days(QUALITY, "day")
    assert png.startswith(b"\x89PNG")
    assert len(png) < 100_000
