"""One training from its fingerprint to its model: trials and fits that are found again instead of repeated.

Everything of one fingerprint lies under one prefix, so that a retry, a crash or a second run goes on from there.

Belongs here: which work is done, and where its state is. Does not: when it is done (the asset), or the arithmetic.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from threadpoolctl import threadpool_limits

from ml_platform.errors import StorageError, TrialLostError
from ml_platform.lineage.checkout import this_checkout
from ml_platform.lineage.code import PLATFORM, ReachedCode, reached_code
from ml_platform.lineage.environment import environment_fingerprint, packages_behind, this_environment
from ml_platform.lineage.fingerprints import fingerprint
from ml_platform.recovery.checkpoints import CheckpointStore
from ml_platform.recovery.isolation import run_isolated
from ml_platform.recovery.room import alone, side_by_side
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.models import TabularModel, dumps, loads, predict_matrix
from ml_platform.tracking.trainings import RESULT, result_path
from ml_platform.training.calibration import share_to_widen_by, widened
from ml_platform.training.choosing import trainer_named
from ml_platform.training.config import ModelConfig
from ml_platform.training.fit import FinalFit, fit_final
from ml_platform.training.records import Inputs, Origin, Preparation, Resumption, TrainedModel, TrainingSet
from ml_platform.training.search import (
    Proposal,
    SearchData,
    TrialOutcome,
    TrialSettings,
    failed_trial,
    promote,
    propose,
    run_trial,
)
from ml_platform.training.splits import Windows, windows_at
from ml_platform.training.trainers import FitPlan
from ml_platform.training.training_set import MATRICES, build_matrices, read_matrices, read_rows

WHAT_A_MODEL_FOLLOWS_FROM = (
    "features_table",
    "labels_table",
    "join_on",
    "labels",
    "not_features",
    "task",
    "trainer",
    "parameters",
    "search",
    "iterations",
    "windows",
    "baselines",
    "seed",
)
KNOWN_OTHERWISE = (
    "ml_platform.lineage",
    "ml_platform.recovery",
    "ml_platform.storage",
    "ml_platform.training.config",
    "ml_platform.training.records",
)
"""What training uses and no model follows from: tables count by their content, the configuration by its values."""


OUT_OF_MEMORY = (TrialLostError, MemoryError)
"""What may be for want of memory: the kernel kills the process, or an allocation fails."""

_log = logging.getLogger(__name__)


class FittedWinner(NamedTuple):
    """The final fit of the winner, where its bytes are, and what it was fitted on."""

    fit: FinalFit
    uri: str
    winner: TrialOutcome
    training_set: TrainingSet
    resumption: Resumption
    widened_by: float


@dataclass(frozen=True)
class TrainingRun:
    """The state of one training, below the artifacts."""

    artifacts: ObjectStore
    use_case: str
    config: ModelConfig
    fingerprint: str

    @property
    def objects(self) -> ObjectStore:
        """Everything of this fingerprint."""
        return self.artifacts.below(f"training/{self.use_case}/{self.config.name}/{self.fingerprint}")

    def finished(self) -> TrainedModel | None:
        """The model of this fingerprint, if it was made before."""
        if not self.objects.exists(RESULT):
            return None
        return TrainedModel.model_validate_json(self.objects.read(RESULT))

    def finish(self, model: TrainedModel) -> None:
        """Record the model; what only led to it is dropped."""
        self.objects.write(RESULT, model.model_dump_json().encode())
        self._checkpoints().clear()
        self.objects.delete(MATRICES)

    def trial(
        self, proposal: Proposal, iterations: int, run_id: str = "", warn: Callable[[str], None] = _log.warning
    ) -> TrialOutcome:
        """The outcome of a trial, in a process of its own unless it is known.

        A failure may have been bad luck, so only a score is kept for the next attempt.
        """
        memo = self._memo(proposal, iterations)
        if self.objects.exists(memo):
            return TrialOutcome.model_validate_json(self.objects.read(memo))
        finished = self.finished()  # by another run, which has dropped what the trial would need
        for known in finished.trials if finished else ():
            if (known.number, known.iterations) == (proposal.number, iterations):
                return known
        outcome = self._run(proposal, iterations, warn).model_copy(update={"run_id": run_id})
        if outcome.outcome == "scored":
            self.objects.write(memo, outcome.model_dump_json().encode())
        return outcome

    def _run(self, proposal: Proposal, iterations: int, warn: Callable[[str], None]) -> TrialOutcome:
        """The outcome of a trial. A process that is lost, most often for want of memory, is tried again with no other
        beside it; if that is lost too, the trial has failed, and the others go on.
        """
        import_before_forking()
        try:
            with side_by_side():
                return run_isolated(fit_trial, self, proposal, iterations)
        except OUT_OF_MEMORY as error:
            warn(f"Trial {proposal.number} is tried again, once no other trial runs on this machine. {_told(error)}")
        try:
            with alone():
                outcome = run_isolated(fit_trial, self, proposal, iterations)
        except OUT_OF_MEMORY as error:
            outcome = failed_trial(proposal, iterations, _told(error))
        return outcome.model_copy(update={"attempts": 2})

    def states(self, proposal: Proposal) -> CheckpointStore:
        """The states of one trial, by iterations."""
        return CheckpointStore(self.objects, f"trials/{proposal.number}/states", keep=1, of=self.fingerprint)

    def fit_winner(
        self,
        outcomes: Sequence[TrialOutcome],
        each_step: Callable[[int], None],
        warn: Callable[[str], None] = _log.warning,
    ) -> FittedWinner:
        """The winner, fitted on the whole fit window and stored under the hash of its bytes.

        Raises:
            NoSurvivingTrialError: every trial failed.
        """
        winner = promote(outcomes, keep=1)[0]
        plan = FitPlan(
            parameters=winner.parameters,
            iterations=self.config.iterations,
            seed=self.config.seed,
            threads=self.config.threads,
        )
        checkpoints = Reporting(self._checkpoints(), each_step, warn)
        matrices = read_matrices(self.objects)
        final = fit_final(self.config.trainer, matrices.fit(), plan, checkpoints, self.config.checkpoint_every)
        share = self._share_to_widen_by(winner, plan, matrices.search()) if self.config.task.kind == "forecast" else 0.0
        if share:
            final = final.with_model(widened(final.model, share))
        path = f"models/{self.use_case}/{self.config.name}/{final.sha256}.skops"
        self.artifacts.write(path, final.data)
        resumption = Resumption(
            from_iteration=final.resumed_from,
            skipped_checkpoints=checkpoints.skipped,
            unsaved_checkpoints=tuple(checkpoints.unsaved),
        )
        return FittedWinner(final, self.artifacts.uri_of(path), winner, matrices.training_set, resumption, share)

    def _share_to_widen_by(self, winner: TrialOutcome, plan: FitPlan, data: SearchData) -> float:
        """What the validation window says of intervals by a model like the final one that has not learnt from it."""
        state = _resumed(self.states(Proposal(number=winner.number, parameters=winner.parameters)))
        model = trainer_named(self.config.trainer).fit(data.search, plan, state)
        with threadpool_limits(plan.threads):
            predicted = predict_matrix(model, data.validation.matrix)
        return share_to_widen_by(predicted, data.validation.labels, data.validation.task)

    def _memo(self, proposal: Proposal, iterations: int) -> str:
        return f"trials/{proposal.number}/{iterations}.json"

    def _checkpoints(self) -> CheckpointStore:
        return CheckpointStore(self.objects, "checkpoints", of=self.fingerprint)


class Reporting:
    """Checkpoints that tell of each one; a fit that can finish does not end because one cannot be saved."""

    def __init__(self, store: CheckpointStore, each_step: Callable[[int], None], warn: Callable[[str], None]) -> None:
        """Tell `each_step` of what is saved, and `warn` of what is lost."""
        self._store, self._each_step, self._warn = store, each_step, warn
        self.skipped: tuple[int, ...] = ()
        self.unsaved: list[int] = []

    def save(self, step: int, data: bytes) -> None:
        """Save, then tell."""
        try:
            self._store.save(step, data)
        except (StorageError, OSError) as error:
            self.unsaved.append(step)
            self._warn(f"{step} iterations are not saved; the fit goes on, and would have to repeat them. {error}")
        else:
            self._each_step(step)

    def latest(self) -> tuple[int, bytes] | None:
        """The newest checkpoint that is whole."""
        found = self._store.latest()
        self.skipped = found.skipped
        if self.skipped:
            told = ", ".join(map(str, self.skipped))
            instead = f"goes on from iteration {found.step}" if found.step else "starts anew"
            self._warn(f"The checkpoints after {told} iterations cannot be used: the fit {instead}.")
        return (found.step, found.data) if found.step else None


def training_fingerprint(config: ModelConfig, inputs: Inputs, windows: Windows) -> str:
    """Hash of everything that the model follows from; threads, reports and the gate are not among it."""
    code = training_code(config.trainer)
    return fingerprint(
        content=[inputs.features.content_root, inputs.labels.content_root],
        degraded=inputs.degraded_days,
        code=code.fingerprint,
        config={name: getattr(config, name) for name in WHAT_A_MODEL_FOLLOWS_FROM},
        environment=environment_fingerprint(code.packages),
        windows=windows,
    )


@cache
def training_code(trainer: str = "") -> ReachedCode:
    """The code that a model follows from, from its rows to its bytes, and the packages that it uses.

    What every model follows from; and for an estimator at an import path, also what is there.
    """
    sources = (windows_at, read_rows, build_matrices, propose, fit_trial, TrainingRun)
    module, _, name = trainer.rpartition(".")
    top = module.partition(".")[0]
    own, others = ([f"{module}:{name}"], ()) if top == PLATFORM else ([], (top,) if top else ())
    reached = reached_code(*sources, *own, apart_from=KNOWN_OTHERWISE)
    return reached._replace(packages=reached.packages.union(others))


def origin_of(use_case: str, config: ModelConfig, dagster_run_id: str) -> Origin:
    """What is needed to make a model of this process again, besides its snapshot."""
    return Origin(
        use_case=use_case,
        config=config,
        code=training_code(config.trainer).definitions,
        packages=tuple(sorted(packages_behind(training_code(config.trainer).packages))),
        checkout=this_checkout(),
        environment=this_environment(),
        dagster_run_id=dagster_run_id,
    )


def record_of(artifacts: ObjectStore, uri: str, fingerprint: str) -> bytes | None:
    """The `TrainedModel` of that fingerprint, as JSON; its bytes are at `uri`, as `fit_winner` placed them.

    Found although the artifacts may have been moved since.
    """
    path = result_path(uri, fingerprint)
    return artifacts.read(path) if artifacts.exists(path) else None


def import_before_forking() -> None:
    """Import what every trial needs once, here, instead of in each forked process: that takes seconds."""
    import sklearn.ensemble  # noqa: F401
    import skops.io  # noqa: F401


def fit_trial(run: TrainingRun, proposal: Proposal, iterations: int) -> TrialOutcome:
    """The outcome of a trial that goes on from its last state, and leaves its new state.

    Runs in a forked process: it uses neither polars nor more than one thread, whose pools do not survive a fork.
    """
    states, settings = run.states(proposal), TrialSettings(run.config.trainer, run.config.seed, threads=1)
    result = run_trial(proposal, iterations, read_matrices(run.objects).search(), settings, _resumed(states))
    if result.model is not None:
        with suppress(StorageError, OSError):  # the score stands, and a next rung would fit it from the beginning
            states.save(iterations, dumps(result.model))
    return result.outcome


def trained_model(preparation: Preparation, fitted: FittedWinner, origin: Origin) -> TrainedModel:
    """The record of a fitted winner, before it is known which trials there were and where MLflow has it."""
    config = origin.config
    known = fitted.training_set
    return TrainedModel(
        as_of=preparation.as_of,
        uri=fitted.uri,
        sha256=fitted.fit.sha256,
        fingerprint=preparation.fingerprint,
        task=config.task,
        trainer=config.trainer,
        parameters=fitted.winner.parameters,
        iterations=config.iterations,
        features=known.features,
        inputs=preparation.inputs,
        windows=preparation.windows,
        rows=known.rows,
        baselines=known.baselines,
        widened_by=fitted.widened_by,
        trials=(),
        resumption=fitted.resumption,
        mlflow_run_id=preparation.mlflow_run_id,
        mlflow_uri="",
        origin=origin,
    )


def _resumed(states: CheckpointStore) -> TabularModel | None:
    found = states.latest()
    return None if not found.step else loads(found.data, hashlib.sha256(found.data).hexdigest())


def _told(error: BaseException) -> str:
    return str(error) if isinstance(error, TrialLostError) else f"{type(error).__name__}: {error}"
