"""Evidence: laws, an example by hand, and by simulation how rarely it is false and how soon it is right."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.evaluation.evidence import (
    FloatArray,
    evidence_by_day,
    evidence_needed,
    normal_scores,
    standing_since,
    variance_inflation,
)

CHANCE, DAYS = 0.1, 31
NEEDED = evidence_needed(CHANCE, DAYS, detectors=2)
LIVES = 400


def correlated(random: np.random.Generator, days: int, correlation: float) -> FloatArray:
    """Normal numbers of which each resembles the one before."""
    noise = random.standard_normal(days + 50)
    for day in range(1, len(noise)):
        noise[day] = correlation * noise[day - 1] + math.sqrt(1 - correlation**2) * noise[day]
    return noise[50:]


def lives(reference_days: int, correlation: float, shift: float = 0.0, from_day: int = 0) -> list[FloatArray]:
    """The evidence of each day of many champions, whose daily number shifts from a day on."""
    random, found = np.random.default_rng(20130101), []
    for _ in range(LIVES):
        days = correlated(random, reference_days + DAYS, correlation)
        reference, watched = days[:reference_days], days[reference_days:].copy()
        watched[from_day:] += shift
        found.append(evidence_by_day(reference, watched, variance_inflation(reference)))
    return found


def false_alarms(reference_days: int, correlation: float) -> float:
    return float(np.mean([each.max() >= NEEDED for each in lives(reference_days, correlation)]))


def test_the_evidence_of_one_day_by_hand() -> None:
    # reference -1 and 1, watched 4: the shift is 4, its weight 2/3, what is left around both means is 2
    ratio, shrunk = 16 * (2 / 3) / 2, 1 / (1 + 2 / 3)
    by_hand = math.sqrt(shrunk) * ((1 + shrunk * ratio) / (1 + ratio)) ** -1
    assert evidence_by_day(np.array([-1.0, 1.0]), np.array([4.0])) == pytest.approx([by_hand])


@given(seed=st.integers(0, 999), scale=st.floats(0.01, 100), offset=st.floats(-100, 100))
def test_evidence_does_not_depend_on_units(seed: int, scale: float, offset: float) -> None:
    days = np.random.default_rng(seed).standard_normal(40)
    plain = evidence_by_day(days[:20], days[20:])
    assert evidence_by_day(days[:20] * scale + offset, days[20:] * scale + offset) == pytest.approx(plain, rel=1e-3)


@given(seed=st.integers(0, 999), known=st.integers(1, 19))
def test_the_future_does_not_change_the_evidence_of_a_day(seed: int, known: int) -> None:
    days = np.random.default_rng(seed).standard_normal(40)
    whole = evidence_by_day(days[:20], days[20:])
    assert evidence_by_day(days[:20], days[20 : 20 + known]) == pytest.approx(whole[:known])


@pytest.mark.parametrize(("reference_days", "correlation"), [(14, 0.0), (270, 0.0), (270, 0.3), (270, 0.5)])
def test_false_alarms_are_rarer_than_declared(reference_days: int, correlation: float) -> None:
    assert false_alarms(reference_days, correlation) <= CHANCE / 2  # a half for each of the two detectors


@pytest.mark.parametrize(
    ("reference_days", "shift", "within"), [(14, 3.0, 10), (14, 2.0, 21), (270, 2.9, 5), (270, 1.5, 12)]
)
def test_a_change_is_found_within_days(reference_days: int, shift: float, within: int) -> None:
    found = [each[within - 1] >= NEEDED for each in lives(reference_days, 0.0, shift)]
    assert np.mean(found) >= 0.8


def test_a_change_after_quiet_weeks_is_found_as_soon() -> None:
    found = [each[20:25].max() >= NEEDED for each in lives(270, 0.0, 2.9, from_day=20)]
    assert np.mean(found) >= 0.8


def test_fewer_losses_than_expected_are_no_evidence() -> None:
    reference = np.random.default_rng(0).standard_normal(30)
    assert evidence_by_day(reference, reference[:10] - 5).max() < 1


def test_normal_scores_keep_the_order_and_an_extreme_counts_no_more_than_the_largest_would() -> None:
    reference = np.arange(99.0)
    scores = normal_scores(np.array([49.0, -1.0, 99.0, 1e9]), reference)
    assert scores == pytest.approx([0.0, -2.5758, 2.5758, 2.5758], abs=1e-4)


def test_days_that_come_in_weeks_alike_count_for_fewer() -> None:
    weeks = np.repeat(np.random.default_rng(0).standard_normal(20), 7)
    assert variance_inflation(weeks) == pytest.approx(7, rel=0.05)
    assert variance_inflation(weeks[:50]) == 1.0  # too few weeks to tell


def test_an_alarm_stands_since_the_evidence_was_last_too_small() -> None:
    assert standing_since(np.array([1.0, 9.0, 2.0, 9.0, 9.0]), 5.0) == 3
    assert standing_since(np.array([9.0, 9.0]), 5.0) == 0
    assert standing_since(np.array([9.0, 1.0]), 5.0) is None
    assert standing_since(np.array([]), 5.0) is None
