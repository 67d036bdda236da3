"""Training that is killed: real runs on isolated steps, real signals, and the bytes that come out in the end."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.tables import TableStore
from ml_platform.training.records import TrainedModel
from ml_platform.training.search import propose
from ml_platform_tests.faults.driver import MONTH, Attempt, Driver
from ml_platform_tests.faults.fuses import Fault, fuse, lay
from ml_platform_tests.faults.toy_location import CONFIG
from ml_platform_tests.training.scenario import departures, publish

FIRST_RUNG, LAST_CHECKPOINT, WHOLE_FIT = 3, 16, 20
RATES = [trial.parameters.get("learning_rate") for trial in propose(CONFIG.parameters, CONFIG.search, CONFIG.seed)]


class World:
    """A home with published tables, a process that runs the toy model there, and the model that nothing disturbed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        publish(TableStore.from_settings(Settings(home=home)), departures(days=60, each_day=30))
        self.driver = Driver(home)
        self.undisturbed = self.sha256_of(self.driver.run())
        self.winner = self.model().parameters.get("learning_rate")

    def sha256_of(self, attempt: Attempt) -> str:
        """Hash of the model that this attempt finished."""
        assert attempt.succeeded, attempt.error
        return self.model().sha256

    def model(self) -> TrainedModel:
        artifacts = StorageLocation.of(Settings(home=self.home)).artifacts()
        return TrainedModel.model_validate_json(artifacts.read(f"records/toy/delay_model/{MONTH}.json"))

    def lay(self, fault: Fault, learning_rate: object, iterations: int) -> Path:
        path = fuse(self.home, learning_rate, iterations)
        lay(path, fault)
        return path.with_suffix(".burnt")

    def forget(self) -> None:
        """As if no model had ever been trained."""
        for folder in ("training", "models", "records"):
            shutil.rmtree(self.home / "artifacts" / folder, ignore_errors=True)

    def files(self, pattern: str) -> dict[str, int]:
        """Instant of the last write by path."""
        return {str(path): path.stat().st_mtime_ns for path in (self.home / "artifacts/training").rglob(pattern)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("home"))
    yield world
    world.driver.process.communicate()


@pytest.fixture
def world(home: World) -> World:
    home.forget()
    return home


def wait_for_the_end_of(process_id: int, seconds: float) -> bool:
    """Whether the process was gone in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not psutil.pid_exists(process_id) or psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def resumed(world: World) -> tuple[int, tuple[int, ...], int, int]:
    """From which iteration, past which checkpoints; trials found again, trials run."""
    known = world.model().resumption
    assert known is not None
    return known.from_iteration, known.skipped_checkpoints, known.trials_found, known.trials_run


def test_a_killed_fit_is_begun_again_in_its_run_from_its_last_checkpoint(world: World) -> None:
    world.lay("kill", world.winner, WHOLE_FIT)
    attempt = world.driver.run()
    assert attempt.saved == ["8 iterations are saved.", "16 iterations are saved.", "20 iterations are saved."]
    assert world.sha256_of(attempt) == world.undisturbed
    assert resumed(world) == (16, (), 0, 4)


def test_a_failed_fit_is_retried_by_hand_from_its_last_checkpoint_to_the_same_bytes(world: World) -> None:
    world.lay("fail", world.winner, WHOLE_FIT)
    failed = world.driver.run()
    retried = world.driver.retry()
    assert "the fuse burnt down" in failed.error
    assert failed.saved == ["8 iterations are saved.", "16 iterations are saved."]
    assert retried.steps == ["toy__delay_model.toy_delay_fit"]
    assert retried.saved == ["20 iterations are saved."]
    assert world.sha256_of(retried) == world.undisturbed
    assert resumed(world) == (16, (), 4, 0)


def test_a_corrupt_checkpoint_costs_one_interval_and_no_bit(world: World) -> None:
    world.lay("fail", world.winner, WHOLE_FIT)
    world.driver.run()
    newest = Path(next(path for path in world.files("checkpoints/*") if path.endswith(f"{LAST_CHECKPOINT}.checkpoint")))
    os.truncate(newest, newest.stat().st_size // 2)
    again = world.driver.run()
    assert again.saved == ["16 iterations are saved.", "20 iterations are saved."]
    assert world.sha256_of(again) == world.undisturbed
    assert resumed(world) == (8, (16,), 4, 0)
    assert any("after 16 iterations cannot be used" in told for told in again.messages)


def test_a_killed_run_takes_its_step_with_it_and_a_new_one_repeats_no_trial(world: World) -> None:
    burnt = world.lay("kill_parent", world.winner, WHOLE_FIT)
    assert world.driver.run_until_killed() == -signal.SIGKILL
    assert wait_for_the_end_of(int(burnt.read_text()), seconds=5)
    trials = world.files("trials/*/*.json")
    world.driver = Driver(world.home)
    again = world.driver.run()
    assert again.saved == ["20 iterations are saved."]
    assert world.files("trials/*/*.json") == trials
    assert world.sha256_of(again) == world.undisturbed


def test_a_killed_trial_is_tried_again_alone_and_one_that_raises_fails_alone(world: World) -> None:
    world.lay("kill", RATES[1], FIRST_RUNG)
    world.lay("fail", RATES[2], FIRST_RUNG)
    attempt = world.driver.run()
    assert attempt.succeeded
    assert any("Trial 1 is tried again" in told and "killed by SIGKILL" in told for told in attempt.messages)
    trials = world.model().trials
    assert [(each.failure or "").partition(" ")[0] for each in trials] == ["", "", "ValueError:", ""]
    assert [each.attempts for each in trials] == [1, 2, 1, 1]


def test_a_killed_step_takes_its_trial_with_it_and_is_begun_again_alone(world: World) -> None:
    burnt = world.lay("kill_parent", RATES[1], FIRST_RUNG)
    attempt = world.driver.run()
    assert wait_for_the_end_of(int(burnt.read_text()), seconds=5)
    assert world.sha256_of(attempt) == world.undisturbed
    assert [trial.attempts for trial in world.model().trials] == [1, 1, 1, 1]
