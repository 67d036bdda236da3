"""Bets on the mean of numbers between 0 and 1: fair at the limit, sure of more than it, and looked at at any time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.evaluation.bets import Bets

LIMIT = 0.1
numbers = st.floats(0, 1)


def after(values: "np.ndarray[tuple[int], np.dtype[np.float64]] | list[float]", limit: float = LIMIT) -> Bets:
    """The bets after these numbers."""
    bets = Bets(limit=limit)
    for each in values:
        bets = bets.after(float(each))
    return bets


@given(st.lists(numbers, max_size=30), st.floats(0, LIMIT), st.floats(LIMIT + 0.01, 1))
def test_at_the_limit_no_number_to_come_changes_the_evidence_on_average(
    seen: list[float], low: float, high: float
) -> None:
    before = after(seen)
    chance_of_high = (LIMIT - low) / (high - low)
    expected = chance_of_high * before.after(high).evidence + (1 - chance_of_high) * before.after(low).evidence
    assert expected == pytest.approx(before.evidence, rel=1e-9)


@given(st.lists(st.floats(0, LIMIT), max_size=50))
def test_numbers_within_the_limit_are_never_evidence(seen: list[float]) -> None:
    assert after(seen).evidence <= 1 + 1e-12


def test_of_streams_at_the_limit_no_more_than_allowed_ever_reach_the_evidence() -> None:
    random, needed = np.random.default_rng(3), 20.0
    streams = (random.random((400, 300)) < LIMIT).astype(float)
    alarms = 0
    for stream in streams:
        bets = Bets(limit=LIMIT)
        for each in stream:
            bets = bets.after(each)
            if bets.evidence >= needed:
                alarms += 1
                break
    assert 0 < alarms <= 400 / needed


@pytest.mark.parametrize(("mean", "most"), [(1.0, 10), (0.5, 40), (0.2, 900)])
def test_a_mean_above_the_limit_is_found_the_sooner_the_higher_it_is(mean: float, most: int) -> None:
    stream = (np.random.default_rng(5).random(most) < mean).astype(float)
    assert after(stream).evidence > 300


def test_what_lies_beyond_is_taken_as_the_end_of_the_range() -> None:
    assert after([7.0, -3.0]) == after([1.0, 0.0])
    assert after([1.0, 0.0]).mean == 0.5
