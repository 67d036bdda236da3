"""The final fit: written to a checkpoint every few iterations, and continued from the last one after a crash.

Belongs here: fitting one model to the end. Does not: choosing its parameters (`search`) or
storing its checkpoints (`recovery`).
"""

import hashlib
from typing import NamedTuple, Protocol

from ml_platform.tracking.models import TabularModel, dumps, loads
from ml_platform.training.choosing import trainer_named
from ml_platform.training.trainers import FitPlan, TrainerName, TrainingData


class Checkpoints(Protocol):
    """Where the states of one fit are kept; what `latest` returns was saved whole."""

    def save(self, step: int, data: bytes) -> object:
        """Keep the state after `step` iterations."""
        ...

    def latest(self) -> tuple[int, bytes] | None:
        """The state of the most iterations; none before the first."""
        ...


class FinalFit(NamedTuple):
    """The model, its bytes, and the iteration that an earlier attempt had reached (0 if there was none)."""

    model: TabularModel
    data: bytes
    sha256: str
    resumed_from: int

    def with_model(self, model: TabularModel) -> "FinalFit":
        """The same fit with what was made of its model."""
        data = dumps(model)
        return FinalFit(model, data, hashlib.sha256(data).hexdigest(), self.resumed_from)


def fit_final(
    trainer: TrainerName, data: TrainingData, plan: FitPlan, checkpoints: Checkpoints, every: int
) -> FinalFit:
    """The model after `plan.iterations`; the bytes are the same however often the fit was interrupted.

    The checkpoints have to be those of the same data and plan: their place follows from the fingerprint of both.

    Raises:
        ObjectCorruptError: a checkpoint cannot be read.
    """
    found = checkpoints.latest()
    resumed_from, state = found if found is not None else (0, b"")
    model = loads(state, hashlib.sha256(state).hexdigest()) if resumed_from else None
    for step in _steps(resumed_from, plan.iterations, every):
        model = trainer_named(trainer).fit(data, plan.model_copy(update={"iterations": step}), model)
        state = dumps(model)
        checkpoints.save(step, state)
    assert model is not None, "a plan has at least one iteration"
    return FinalFit(model, state, hashlib.sha256(state).hexdigest(), resumed_from)


def _steps(done: int, iterations: int, every: int) -> list[int]:
    """The iterations at which to save: each multiple of `every` that is still to come, and the last."""
    steps = [step for step in range(every, iterations, every) if step > done]
    return [*steps, iterations] if done < iterations else []
