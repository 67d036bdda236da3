import pytest
from pydantic import ValidationError

from ml_platform.errors import NoSurvivingTrialError
from ml_platform.tracking.models import dumps
from ml_platform.training.search import (
    Choice,
    FloatRange,
    IntRange,
    Proposal,
    Rung,
    SearchConfig,
    SearchData,
    TrialOutcome,
    TrialSettings,
    failed_trial,
    promote,
    propose,
    run_trial,
)
from ml_platform.training.trainers import ParameterValues, training_data
from ml_platform_tests.training.scenario import FEATURES, departures

CONFIG = SearchConfig(
    trials=5,
    rungs=(Rung(iterations=3, keep=2), Rung(iterations=9, keep=1)),
    parameters={
        "learning_rate": FloatRange(kind="float", low=0.01, high=0.5, log=True),
        "max_leaf_nodes": IntRange(kind="int", low=4, high=32, log=True),
        "max_bins": Choice(kind="choice", values=(63, 255)),
    },
)
DEFAULTS: ParameterValues = {"learning_rate": 0.1, "min_samples_leaf": 5}
SETTINGS = TrialSettings("hist_gradient_boosting", seed=1)


def search_data() -> SearchData:
    return SearchData(
        training_data(departures().head(600), FEATURES, "is_late"),
        training_data(departures().tail(400), FEATURES, "is_late"),
    )


def outcome(number: int, loss: float | None) -> TrialOutcome:
    return TrialOutcome(
        number=number,
        parameters={},
        iterations=3,
        outcome="failed" if loss is None else "scored",
        validation_loss=loss,
    )


def test_the_first_proposal_is_the_defaults() -> None:
    assert propose(DEFAULTS, CONFIG, seed=3)[0] == Proposal(number=0, parameters=DEFAULTS)


def test_proposals_follow_from_the_seed() -> None:
    assert propose(DEFAULTS, CONFIG, seed=3) == propose(DEFAULTS, CONFIG, seed=3) != propose(DEFAULTS, CONFIG, seed=4)


def test_proposals_are_distinct_lie_in_their_ranges_and_keep_the_other_defaults() -> None:
    proposals = propose(DEFAULTS, CONFIG, seed=3)[1:]
    assert len({each.model_dump_json() for each in proposals}) == 4
    for each in proposals:
        assert 0.01 <= float(each.parameters["learning_rate"]) <= 0.5
        assert each.parameters["max_leaf_nodes"] in range(4, 33)
        assert each.parameters["max_bins"] in (63, 255)
        assert each.parameters["min_samples_leaf"] == 5


def test_more_trials_keep_the_earlier_proposals() -> None:
    more = propose(DEFAULTS, CONFIG.model_copy(update={"trials": 8}), seed=3)
    assert more[:5] == propose(DEFAULTS, CONFIG, seed=3)


def test_a_survivor_goes_on_from_where_it_stopped() -> None:
    data, proposal = search_data(), Proposal(number=0, parameters=DEFAULTS)
    first = run_trial(proposal, 3, data, SETTINGS)
    resumed, whole = run_trial(proposal, 9, data, SETTINGS, first.model), run_trial(proposal, 9, data, SETTINGS)
    assert resumed.model is not None
    assert whole.model is not None
    assert dumps(resumed.model) == dumps(whole.model)
    assert resumed.outcome.validation_loss == whole.outcome.validation_loss


def test_a_trial_that_cannot_be_fitted_is_an_outcome() -> None:
    result = run_trial(Proposal(number=2, parameters={"learning_rate": -1.0}), 3, search_data(), SETTINGS)
    assert result.model is None
    assert result.outcome.outcome == "failed"
    assert "learning_rate" in str(result.outcome.failure)


def test_the_best_are_promoted_and_equals_by_number() -> None:
    outcomes = [outcome(3, 0.4), outcome(1, 0.4), outcome(0, 0.5), outcome(2, None)]
    assert [each.number for each in promote(outcomes, keep=2)] == [1, 3]


def test_fewer_survivors_than_places_all_go_on() -> None:
    assert [each.number for each in promote([outcome(0, None), outcome(1, 0.4)], keep=2)] == [1]


def test_a_search_without_survivor_tells_why_each_trial_failed() -> None:
    trials = [failed_trial(Proposal(number=n, parameters={}), 3, f"reason {n}") for n in range(2)]
    with pytest.raises(
        NoSurvivingTrialError, match=r"Every one of 2 trials failed.*trial 0: reason 0; trial 1: reason 1"
    ):
        promote(trials, keep=1)


@pytest.mark.parametrize("rungs", [[(9, 1), (3, 1)], [(3, 6), (9, 1)], [(3, 2), (9, 2)]])
def test_rungs_that_do_not_halve_are_refused(rungs: list[tuple[int, int]]) -> None:
    with pytest.raises(ValidationError, match="rungs need rising iterations"):
        SearchConfig(trials=5, rungs=tuple(Rung(iterations=i, keep=k) for i, k in rungs))
