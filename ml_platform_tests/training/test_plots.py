from collections.abc import Callable

import numpy as np
import pytest

from ml_platform.evaluation.scores import calibration_curve
from ml_platform.evaluation.task import BINARY
from ml_platform.training.choosing import trainer_named
from ml_platform.training.importance import permutation_importance
from ml_platform.training.plots import calibration_plot, importance_plot, ranking_plot, search_plot
from ml_platform.training.search import TrialOutcome
from ml_platform.training.trainers import FitPlan
from ml_platform_tests.training.scenario import departures_to_learn

DATA = departures_to_learn()
MODEL = trainer_named("hist_gradient_boosting").fit(DATA, FitPlan(iterations=5))
SCORES = np.asarray(MODEL.estimator.predict_proba(DATA.matrix)[:, 1])
OUTCOMES = [
    TrialOutcome(number=0, parameters={}, iterations=5, outcome="scored", validation_loss=0.5),
    TrialOutcome(number=1, parameters={}, iterations=5, outcome="failed", failure="no memory"),
]


def test_features_that_matter_come_first() -> None:
    importances = permutation_importance(MODEL, DATA, seed=0)
    assert {each.feature for each in importances[:2]} == {"hour", "wind"}
    assert importances[0].loss_increase > 0.01


@pytest.mark.parametrize(
    "draw",
    [
        lambda: calibration_plot(calibration_curve(DATA.labels, SCORES), BINARY),
        lambda: ranking_plot(DATA.labels, SCORES),
        lambda: importance_plot(permutation_importance(MODEL, DATA, seed=0), "log_loss"),
        lambda: search_plot(OUTCOMES, "log_loss"),
    ],
    ids=["calibration", "ranking", "importance", "search"],
)
def test_a_plot_is_a_small_png(draw: Callable[[], bytes]) -> None:
    png = draw()
    assert png.startswith(b"\x89PNG")
    assert len(png) < 40_000
