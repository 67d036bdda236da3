import os
import signal
from pathlib import Path

import pytest

from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.models import TabularModel
from ml_platform.training.config import ModelConfig
from ml_platform.training.search import Proposal
from ml_platform.training.splits import windows_at
from ml_platform.training.trainers import TRAINERS, FitPlan, HistGradientBoosting, TrainingData
from ml_platform.training.training_run import TrainingRun, training_fingerprint
from ml_platform.training.training_set import LabelledRows, build_matrices, read_matrices, write_matrices
from ml_platform_tests.training.scenario import FEATURES, MARCH, departures, toy_inputs, toy_model


class KilledWhenFast(HistGradientBoosting):
    """A trainer whose process is killed if it learns fast, as the kernel does where memory is short."""

    def fit(self, data: TrainingData, plan: FitPlan, resume: TabularModel | None = None) -> TabularModel:
        if float(plan.parameters.get("learning_rate", 0)) > 0.5:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(data, plan, resume)


def opened(folder: Path, config: ModelConfig | None = None) -> TrainingRun:
    """A training whose matrices are written."""
    model = config or toy_model()
    run = TrainingRun(ObjectStore(f"file://{folder}"), "toy", model, "f" * 64)
    windows = windows_at(MARCH, "America/New_York", model.windows)
    write_matrices(run.objects, build_matrices(LabelledRows(departures(), FEATURES), windows, model))
    return run


def fingerprint_of(**changes: object) -> str:
    config = toy_model(**changes)
    return training_fingerprint(config, toy_inputs(), windows_at(MARCH, "America/New_York", config.windows))


def test_matrices_are_read_as_they_were_written(tmp_path: Path) -> None:
    matrices = read_matrices(opened(tmp_path).objects)
    assert matrices.training_set.rows == {"search": 740, "validation": 120, "fit": 880, "holdout": 260}
    assert matrices.features.shape == (880, 4)
    assert (matrices.is_search.sum(), matrices.is_validation.sum()) == (740, 120)
    assert [baseline.name for baseline in matrices.training_set.baselines] == ["constant_rate", "carrier_rate"]


def test_a_trial_is_fitted_once(tmp_path: Path) -> None:
    run, proposal = opened(tmp_path), Proposal(number=1, parameters={})
    first = run.trial(proposal, 3)
    (tmp_path / "training/toy/delay" / run.fingerprint / "matrices.npz").unlink()
    assert run.trial(proposal, 3) == first


def test_a_survivor_goes_on_from_its_state(tmp_path: Path) -> None:
    run, proposal = opened(tmp_path), Proposal(number=1, parameters={})
    run.trial(proposal, 3)
    resumed = run.trial(proposal, 6)
    whole = opened(tmp_path / "again").trial(proposal, 6)
    assert resumed.validation_log_loss == whole.validation_log_loss
    assert resumed.iterations == 6


def test_a_killed_trial_fails_alone_and_may_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, fast = opened(tmp_path), Proposal(number=1, parameters={"learning_rate": 0.9})
    with monkeypatch.context() as patched:
        patched.setitem(TRAINERS, "hist_gradient_boosting", KilledWhenFast())
        killed, other = run.trial(fast, 3), run.trial(Proposal(number=2, parameters={}), 3)
    assert "killed by SIGKILL" in str(killed.failure)
    assert other.outcome == "scored"
    assert run.trial(fast, 3).outcome == "scored"


def test_a_fit_that_is_cut_off_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    def cut_off(step: int) -> None:
        if step == 16:
            raise InterruptedError

    run = opened(tmp_path)
    trials = [run.trial(Proposal(number=0, parameters={"max_leaf_nodes": 4}), 6)]
    with pytest.raises(InterruptedError):
        run.fit_winner(trials, cut_off)
    resumed = run.fit_winner(trials, lambda step: None)
    assert resumed.fit.resumed_from == 16
    assert resumed.fit.sha256 == opened(tmp_path / "again").fit_winner(trials, lambda step: None).fit.sha256


def test_the_fingerprint_follows_from_what_the_model_follows_from() -> None:
    assert fingerprint_of() == fingerprint_of(threads=1, checkpoint_every=5, description="Told otherwise.")
    changes: tuple[dict[str, object], ...] = (
        {"seed": 1},
        {"iterations": 21},
        {"parameters": {}},
        {"not_features": ["flight", "wind"]},
    )
    assert len({fingerprint_of(**change) for change in changes} | {fingerprint_of()}) == 5
