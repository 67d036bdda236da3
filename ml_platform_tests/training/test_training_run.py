import dataclasses
import datetime as dt
import inspect
import os
import signal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_platform.errors import StorageFullError, StorageUnreachableError, TrialLostError
from ml_platform.lineage import code, environment
from ml_platform.recovery.isolation import run_isolated
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.pins import Pins
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.models import TabularModel
from ml_platform.tracking.trainings import RESULT
from ml_platform.training import boosting
from ml_platform.training.boosting import HistGradientBoosting
from ml_platform.training.choosing import TRAINERS
from ml_platform.training.config import ModelConfig
from ml_platform.training.records import Preparation, Resumption, TrainedModel
from ml_platform.training.search import Proposal, TrialOutcome
from ml_platform.training.splits import windows_at
from ml_platform.training.trainers import FitPlan, TrainingData
from ml_platform.training.training_run import (
    TrainingRun,
    origin_of,
    trained_model,
    training_code,
    training_fingerprint,
)
from ml_platform.training.training_set import (
    MATRICES,
    LabelledRows,
    build_matrices,
    read_matrices,
    resolve_inputs,
    write_matrices,
)
from ml_platform_tests.faults.fatal import When, die_at
from ml_platform_tests.training.scenario import FEATURES, MARCH, departures, publish, toy_inputs, toy_model

SCORED = TrialOutcome(number=0, parameters={"max_leaf_nodes": 4}, iterations=6, outcome="scored", validation_loss=0.5)


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
    assert resumed.validation_loss == whole.validation_loss
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


FIT_CHANGES = [(ObjectStore, "write"), (ObjectStore, "delete")]
"""Of the toy fit: checkpoints of 8, 16 and 20 iterations, the first of these dropped, and the model."""
REACHED = {"before": (0, 8, 16, 20, 20), "after": (8, 16, 20, 20, 20)}


def fitted_until(run: TrainingRun, outcomes: list[TrialOutcome], at: int, when: When) -> tuple[str, Resumption]:
    """The model's hash and what it was resumed from, unless this process dies at its `at`-th change before."""
    die_at(at, when, FIT_CHANGES)
    fitted = run.fit_winner(outcomes, lambda step: None)
    return fitted.fit.sha256, fitted.resumption


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Hash of the toy model."""
    run = opened(tmp_path_factory.mktemp("undisturbed"), toy_model(threads=1))
    return run_isolated(fitted_until, run, [SCORED], 0, "before")[0]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(1, 6))
def test_a_fit_that_is_killed_at_any_change_loses_at_most_an_interval_and_no_bit(
    tmp_path: Path, undisturbed: str, at: int, when: When
) -> None:
    run = opened(tmp_path, toy_model(threads=1))
    with pytest.raises(TrialLostError, match="SIGKILL"):
        run_isolated(fitted_until, run, [SCORED], at, when)
    sha256, resumption = run_isolated(fitted_until, run, [SCORED], 0, when)
    assert (sha256, resumption.from_iteration) == (undisturbed, REACHED[when][at - 1])


def cut_off_at_16(step: int) -> None:
    if step == 16:
        raise InterruptedError


@pytest.mark.parametrize(
    ("damaged", "resumed_from", "told"),
    [((16,), 8, "after 16 iterations cannot be used: the fit goes on from iteration 8"), ((16, 8), 0, "starts anew")],
)
def test_damaged_checkpoints_are_told_and_cost_only_what_they_held(
    tmp_path: Path, damaged: tuple[int, ...], resumed_from: int, told: str
) -> None:
    run, warnings = opened(tmp_path), list[str]()
    with pytest.raises(InterruptedError):
        run.fit_winner([SCORED], cut_off_at_16)
    for step in damaged:
        run.objects.write(f"checkpoints/{step:08d}.checkpoint", b"")
    resumed = run.fit_winner([SCORED], lambda step: None, warnings.append)
    assert (resumed.resumption.from_iteration, resumed.resumption.skipped_checkpoints) == (resumed_from, damaged)
    assert told in warnings[0]
    assert resumed.fit.sha256 == opened(tmp_path / "again").fit_winner([SCORED], lambda step: None).fit.sha256


class NoRoomForCheckpoints(ObjectStore):
    """A store that has no space left for them."""

    def write(self, path: str, data: bytes) -> None:
        if path.endswith(".checkpoint"):
            raise StorageFullError("No space is left.")
        super().write(path, data)


def test_a_fit_whose_checkpoints_cannot_be_saved_goes_on_and_says_so(tmp_path: Path) -> None:
    run, warnings = opened(tmp_path), list[str]()
    full = dataclasses.replace(run, artifacts=NoRoomForCheckpoints(run.artifacts.uri))
    fitted = full.fit_winner([SCORED], lambda step: None, warnings.append)
    assert fitted.fit.sha256 == run.fit_winner([SCORED], lambda step: None).fit.sha256
    assert fitted.resumption.unsaved_checkpoints == (8, 16, 20)
    assert "8 iterations are not saved; the fit goes on" in warnings[0]
    assert full.trial(Proposal(number=1, parameters={}), 3).outcome == "scored"


class ShortOfMemoryOnce(HistGradientBoosting):
    """A trainer that finds no memory the first time."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def fit(self, data: TrainingData, plan: FitPlan, resume: TabularModel | None = None) -> TabularModel:
        if not self.marker.exists():
            self.marker.touch()
            raise MemoryError("Unable to allocate 9 GiB")
        return super().fit(data, plan, resume)


def test_a_trial_that_is_short_of_memory_is_tried_again_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRAINERS, "hist_gradient_boosting", ShortOfMemoryOnce(tmp_path / "marker"))
    warnings = list[str]()
    outcome = opened(tmp_path).trial(Proposal(number=1, parameters={}), 3, "a run", warnings.append)
    assert (outcome.outcome, outcome.attempts, outcome.run_id) == ("scored", 2, "a run")
    assert warnings == [
        "Trial 1 is tried again, once no other trial runs on this machine. MemoryError: Unable to allocate 9 GiB"
    ]


class AwayStore(ObjectStore):
    """A store that does not answer for the matrices."""

    def read(self, path: str) -> bytes:
        if path == MATRICES:
            raise StorageUnreachableError("It does not answer.")
        return super().read(path)


def test_storage_that_fails_is_no_failed_trial(tmp_path: Path) -> None:
    run = opened(tmp_path)
    with pytest.raises(StorageUnreachableError):
        dataclasses.replace(run, artifacts=AwayStore(run.artifacts.uri)).trial(Proposal(number=1, parameters={}), 3)


def test_a_training_that_another_run_has_finished_needs_no_trial(tmp_path: Path) -> None:
    run = opened(tmp_path)
    known = SCORED.model_copy(update={"number": 4, "iterations": 9})
    run.objects.write(RESULT, finished_model(run, known).model_dump_json().encode())
    run.objects.delete(MATRICES)
    assert run.trial(Proposal(number=4, parameters={}), 9) == known


def finished_model(run: TrainingRun, *trials: TrialOutcome) -> TrainedModel:
    """The record of a training with these trials."""
    fitted = run.fit_winner(trials, lambda step: None)
    windows = windows_at(MARCH, "America/New_York", run.config.windows)
    preparation = Preparation(
        fingerprint=run.fingerprint, as_of=MARCH, mlflow_run_id="", inputs=toy_inputs(), windows=windows, is_done=False
    )
    return trained_model(preparation, fitted, origin_of("toy", run.config, "a run")).model_copy(
        update={"trials": trials}
    )


def fingerprint_after(changed: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """The fingerprint if `boosting.py` read `changed`."""
    copy = folder / "boosting.py"
    copy.write_text(changed)
    find = inspect.unwrap(code._file)
    monkeypatch.setattr(code, "_file", lambda name: copy if name == boosting.__name__ else find(name))
    for cached in (code._parsed, code._mentioned, code._hash, training_code):
        cached.cache_clear()
    try:
        return fingerprint_of()
    finally:
        training_code.cache_clear()


@pytest.mark.parametrize(
    ("line", "instead", "changes"),
    [
        ("early_stopping=False", "early_stopping=True", True),
        ("early_stopping=False,", "early_stopping=False,  # it is told when to stop", False),
        ('"""The model of the planned number of trees."""', '"""Trees."""', False),
        ("for every task type", "of any task", False),
        ("Weight of each tree.", "What a tree counts.", False),
    ],
    ids=["code", "comment", "docstring", "module docstring", "description of a field"],
)
def test_a_line_of_training_code_counts_and_prose_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, instead: str, changes: bool
) -> None:
    source = Path(boosting.__file__).read_text()
    assert line in source
    before = fingerprint_after(source, monkeypatch, tmp_path)
    assert (fingerprint_after(source.replace(line, instead), monkeypatch, tmp_path) != before) is changes


def test_the_data_version_of_a_model_is_its_bytes_and_fingerprint_whoever_made_it() -> None:
    def version_of(**changes: str) -> str:
        values: dict[str, Any] = {"sha256": "a", "fingerprint": "b", "mlflow_run_id": "c", **changes}
        return TrainedModel.model_construct(**values).data_version

    assert version_of() == version_of(mlflow_run_id="d")
    assert len({version_of(), version_of(sha256="e"), version_of(fingerprint="e")}) == 3


def test_plots_and_the_gate_are_no_part_of_a_model() -> None:
    reached = training_code().definitions
    assert not [
        name for name in reached if name.startswith(("ml_platform.training.plots", "ml_platform.training.gate"))
    ]
    assert {"ml_platform.training.search:run_trial", "ml_platform.training.splits:Windows"} <= reached.keys()


def test_a_package_of_another_version_is_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before, version_of = fingerprint_of(), environment.version_of
    monkeypatch.setattr(environment, "version_of", lambda name: "9.9" if name == "scipy" else version_of(name))
    assert fingerprint_of() != before


def test_one_changed_row_is_another_fingerprint(tmp_path: Path) -> None:
    tables, config, before = TableStore(f"file://{tmp_path}/lake"), toy_model(), dt.date(2013, 3, 1)
    frame = departures()
    found: list[str] = []
    for rows in (frame, frame.with_columns(hour=pl.col("hour") + (pl.int_range(pl.len()) == 7).cast(pl.Int64)), frame):
        publish(tables, rows)
        pins = Pins(ObjectStore(f"file://{tmp_path}/artifacts"), tables, f"run-{len(found)}")
        inputs = resolve_inputs(pins, "toy", config, before)
        found.append(training_fingerprint(config, inputs, windows_at(MARCH, "America/New_York", config.windows)))
    assert found[0] == found[2] != found[1]


def test_the_fingerprint_follows_from_what_the_model_follows_from() -> None:
    assert fingerprint_of() == fingerprint_of(threads=1, checkpoint_every=5, description="Told otherwise.")
    changes: tuple[dict[str, object], ...] = (
        {"seed": 1},
        {"iterations": 21},
        {"parameters": {}},
        {"not_features": ["flight", "wind"]},
    )
    assert len({fingerprint_of(**change) for change in changes} | {fingerprint_of()}) == 5
