"""Fuses: faults that are laid in advance as files, and burn once, in whichever process comes to them first.

Belongs here: killing and failing on purpose. Does not: what is expected to survive it (the tests).
"""

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Literal

from ml_platform.settings import Settings
from ml_platform.tracking.models import TabularModel
from ml_platform.training.boosting import HistGradientBoosting
from ml_platform.training.trainers import FitPlan, TrainingData

Fault = Literal["kill", "kill_parent", "fail", "spoil_and_kill", "wait"]
SECONDS_TO_BE_WAITED = 120
SECONDS_TO_BE_FOUND_DEAD = 30
"""A process that killed its parent waits so long for its own end; one that lives on would go on with its work."""


def fuse(home: Path, learning_rate: object, iterations: int) -> Path:
    """The file of the fuse for a fit with this learning rate (None: the configured parameters) to these iterations."""
    return home / "fuses" / f"{learning_rate}-{iterations}"


def lay(path: Path, fault: Fault) -> None:
    """Lay a fuse."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(fault)


def burn(path: Path) -> None:
    """Do what the fuse says, unless there is none; `<fuse>.burnt` has the id of the process that came to it."""
    if not path.exists():
        return
    fault = path.read_text()
    path.unlink()
    path.with_suffix(".burnt").write_text(str(os.getpid()))
    match fault:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill_parent":
            parent = multiprocessing.parent_process()
            assert parent is not None
            assert parent.pid is not None
            os.kill(parent.pid, signal.SIGKILL)
            time.sleep(SECONDS_TO_BE_FOUND_DEAD)
        case "spoil_and_kill":
            newest = max(path.parent.parent.glob("artifacts/training/**/checkpoints/*.checkpoint"))
            os.truncate(newest, newest.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        case "wait":
            _wait_until_gone(path.with_suffix(".burnt"))
        case "fail":
            raise ValueError("the fuse burnt down")


def _wait_until_gone(path: Path) -> None:
    """Return once whoever watches has taken the file away, or has had time to."""
    waits_until = time.monotonic() + SECONDS_TO_BE_WAITED
    while path.exists() and time.monotonic() < waits_until:
        time.sleep(0.1)


class Fused(HistGradientBoosting):
    """Boosted trees, with a fuse before each fit."""

    def fit(self, data: TrainingData, plan: FitPlan, resume: TabularModel | None = None) -> TabularModel:
        burn(fuse(Settings().home, plan.parameters.get("learning_rate"), plan.iterations))
        return super().fit(data, plan, resume)
