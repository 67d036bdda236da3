from dataclasses import replace
from pathlib import Path

import pytest

from ml_platform.recovery.checkpoints import Checkpoint, CheckpointStore
from ml_platform.storage.objects import ObjectStore

NOTHING = Checkpoint(0, b"")


@pytest.fixture
def checkpoints(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(ObjectStore(f"file://{tmp_path}"), "fits/one", keep=2, of="fingerprint")


def file_of(checkpoints: CheckpointStore, step: int) -> Path:
    return Path(checkpoints.objects.uri.removeprefix("file://")) / f"{checkpoints.prefix}/{step:08d}.checkpoint"


def test_nothing_was_saved_at_first(checkpoints: CheckpointStore) -> None:
    assert checkpoints.latest() == NOTHING


def test_the_latest_is_the_one_with_the_most_steps(checkpoints: CheckpointStore) -> None:
    for step in (9, 10, 100):
        checkpoints.save(step, f"state {step}".encode())
    assert checkpoints.latest() == Checkpoint(100, b"state 100")


def test_only_the_newest_are_kept(checkpoints: CheckpointStore) -> None:
    for step in range(1, 6):
        checkpoints.save(step, b"")
    assert [file_of(checkpoints, step).exists() for step in range(1, 6)] == [False, False, False, True, True]


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:40] + b"x" + data[41:]]
)
def test_a_corrupt_checkpoint_is_passed_over_and_told(
    checkpoints: CheckpointStore, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints.save(1, b"state of the first step")
    checkpoints.save(2, b"state of the second step")
    file_of(checkpoints, 2).write_bytes(damage(file_of(checkpoints, 2).read_bytes()))  # type: ignore[operator]
    assert checkpoints.latest() == Checkpoint(1, b"state of the first step", skipped=(2,))
    assert "00000002.checkpoint is corrupt" in caplog.text


def test_all_corrupt_begins_anew_and_names_them(checkpoints: CheckpointStore) -> None:
    for step in (1, 2):
        checkpoints.save(step, b"state")
        file_of(checkpoints, step).write_bytes(b"")
    assert checkpoints.latest() == Checkpoint(0, b"", skipped=(2, 1))


@pytest.mark.parametrize("elsewhere", ["of another fingerprint", "of another step"])
def test_a_whole_checkpoint_from_elsewhere_is_passed_over(checkpoints: CheckpointStore, elsewhere: str) -> None:
    other = replace(checkpoints, prefix="fits/other", of="another" if "fingerprint" in elsewhere else checkpoints.of)
    other.save(3, b"a state of other work")
    step = 3 if "fingerprint" in elsewhere else 5
    checkpoints.save(1, b"state")
    file_of(checkpoints, step).write_bytes(file_of(other, 3).read_bytes())
    assert checkpoints.latest() == Checkpoint(1, b"state", skipped=(step,))
    assert other.latest().step == 3


def test_clearing_leaves_the_checkpoints_of_other_work(checkpoints: CheckpointStore) -> None:
    other = CheckpointStore(checkpoints.objects, "fits/another")
    for store in (checkpoints, other):
        store.save(1, b"state")
    checkpoints.clear()
    assert checkpoints.latest() == NOTHING
    assert other.latest() == Checkpoint(1, b"state")
