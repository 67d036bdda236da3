import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.evaluation.task import TaskKind
from ml_platform.training.fit import FinalFit, fit_final
from ml_platform.training.trainers import FitPlan
from ml_platform_tests.training.outcomes import to_learn

PLAN = FitPlan(iterations=20, seed=1)
KILLED_IN_THE_MIDDLE = """
import sys
from pathlib import Path
from ml_platform_tests.training.test_fit import FilesThatKill, final_fit
final_fit(sys.argv[1], FilesThatKill(Path(sys.argv[2])))
"""


class Memory:
    """Checkpoints in memory, cut off after `limit` of them as if the process had ended."""

    def __init__(self, limit: int = 1000) -> None:
        self.saved: dict[int, bytes] = {}
        self.limit = limit

    def save(self, step: int, data: bytes) -> None:
        self.saved[step] = data
        if len(self.saved) == self.limit:
            raise InterruptedError

    def latest(self) -> tuple[int, bytes] | None:
        return max(self.saved.items()) if self.saved else None


class Files:
    """Checkpoints as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, step: int, data: bytes) -> None:
        (self.folder / f"{step:04}").write_bytes(data)

    def latest(self) -> tuple[int, bytes] | None:
        files = sorted(self.folder.iterdir())
        return (int(files[-1].name), files[-1].read_bytes()) if files else None


class FilesThatKill(Files):
    """Files that kill their own process once there are two."""

    def save(self, step: int, data: bytes) -> None:
        super().save(step, data)
        if len(list(self.folder.iterdir())) == 2:
            os.kill(os.getpid(), signal.SIGKILL)


def final_fit(trainer: str, checkpoints: Memory | Files, every: int = 4, kind: TaskKind = "binary") -> FinalFit:
    return fit_final(trainer, to_learn(kind), PLAN, checkpoints, every)


@pytest.mark.parametrize(
    ("trainer", "kind"),
    [
        ("hist_gradient_boosting", "binary"),
        ("hist_gradient_boosting", "forecast"),
        ("sgd_logistic", "multiclass"),
        ("sgd_linear", "forecast"),
        ("sklearn.linear_model.LogisticRegression", "binary"),
        ("sklearn.linear_model.SGDRegressor", "regression"),
    ],
)
@given(every=st.integers(1, 25), survived=st.integers(1, 4))
@settings(max_examples=4, deadline=None)
def test_an_interrupted_fit_gives_the_same_bytes(trainer: str, kind: TaskKind, every: int, survived: int) -> None:
    whole, interrupted = final_fit(trainer, Memory(), every=20, kind=kind), Memory(limit=survived)
    try:
        final_fit(trainer, interrupted, every, kind)
    except InterruptedError:
        interrupted.limit = 1000
    resumed = final_fit(trainer, interrupted, every, kind)
    assert resumed.resumed_from == (min(20, every * survived))
    assert (resumed.data, resumed.sha256) == (whole.data, whole.sha256)


def test_a_killed_process_is_resumed_to_the_same_bytes(tmp_path: Path) -> None:
    trainer = "hist_gradient_boosting"
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_THE_MIDDLE, trainer, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    resumed = final_fit(trainer, Files(tmp_path))
    assert resumed.resumed_from == 8
    assert resumed.data == final_fit(trainer, Memory()).data


def test_a_checkpoint_is_written_every_few_iterations_and_at_the_end() -> None:
    checkpoints = Memory()
    final_fit("sgd_logistic", checkpoints, every=8)
    assert sorted(checkpoints.saved) == [8, 16, 20]


def test_a_finished_fit_is_not_repeated() -> None:
    checkpoints = Memory()
    first = final_fit("sgd_logistic", checkpoints)
    again = final_fit("sgd_logistic", checkpoints)
    assert again.resumed_from == 20
    assert again.data == first.data
