"""What happens where a day that features look back on is not published."""

import datetime as dt
from collections.abc import Sequence

import pytest

from ml_platform.components.degrading import Lowered
from ml_platform.components.use_case import UseCase
from ml_platform.data.component import FeatureInput, FeatureTable
from ml_platform.data.look_back import bridge, days_back, missing_days
from ml_platform.errors import PartitionNotPublishedError
from ml_platform.storage.tables import PartitionState

TOY = UseCase(
    name="toy",
    description="Will it rain?",
    owners=["team:toys"],
    timezone="America/New_York",
    first_day=dt.date(2013, 3, 1),
    first_as_of_month=dt.date(2013, 4, 1),
)


def features(within: int | None) -> FeatureTable:
    """Features that look back two days on the weather."""
    return FeatureTable(
        name="features",
        description="One day.",
        rows="weather",
        prediction_at="features:prediction_at",
        function="features:features",
        inputs=[FeatureInput(parameter="weather", table="weather", look_back_days=2, last_known_within_days=within)],
        contract="contract:Features",
        partition_column="day",
    )


def bridged(day: str, published: Sequence[int], within: int | None = None) -> dict[str, Lowered]:
    """The decision for one day of March, with these days of March published."""
    states = {f"2013-03-{number:02d}": PartitionState("hash", 1) for number in published}
    return bridge(TOY, features(within), {"weather": states}, [day])


def test_days_are_looked_back_on_across_months_and_the_change_to_summer_time() -> None:
    assert days_back("2013-03-11", 2) == ["2013-03-09", "2013-03-10", "2013-03-11"]
    assert days_back("2013-03-01", 1) == ["2013-02-28", "2013-03-01"]


def test_before_the_first_day_of_the_use_case_nothing_is_missing() -> None:
    assert bridged("2013-03-01", [1]) == {}


def test_a_missing_day_is_refused_unless_it_may_be_bridged() -> None:
    with pytest.raises(PartitionNotPublishedError) as caught:
        bridged("2013-03-09", [1, 7, 9])
    assert "toy/features 2013-03-09 looks back 2 days on toy/weather, of which 1 are not published" in str(caught.value)
    assert caught.value.got == "nothing for 2013-03-08"


def test_a_missing_day_is_bridged_by_the_last_one_known_and_told_with_its_age() -> None:
    lowered = bridged("2013-03-09", [6, 9], within=2)["2013-03-09"]
    assert (lowered.rung, lowered.seen) == ("last_known", "weather 2013-03-07, weather 2013-03-08")
    assert "toy/weather 2013-03-08 is not published, 2013-03-06 is the last known, 2 days before" in lowered.reason


def test_a_day_that_is_too_far_back_is_no_bridge() -> None:
    with pytest.raises(PartitionNotPublishedError, match="none of the 1 days before the first of them is"):
        bridged("2013-03-09", [6, 9], within=1)


def test_a_day_is_not_bridged_by_one_after_it() -> None:
    with pytest.raises(PartitionNotPublishedError):
        bridged("2013-03-09", [8, 9], within=5)


def test_what_is_missing_is_another_state_once_one_of_the_days_came() -> None:
    published = {"2013-03-06": PartitionState("hash", 1), "2013-03-09": PartitionState("hash", 1)}
    before = missing_days(TOY, features(2), {"weather": published}, "2013-03-09")
    published["2013-03-07"] = PartitionState("hash", 1)
    assert missing_days(TOY, features(2), {"weather": published}, "2013-03-09") == "weather 2013-03-08" != before
