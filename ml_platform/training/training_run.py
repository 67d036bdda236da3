"""One training from its fingerprint to its model: trials and fits that are found again instead of repeated.

Everything of one fingerprint lies under one prefix, so that a retry, a crash or a second run goes on from there.

Belongs here: which work is done, and where its state is. Does not: when it is done (the asset), or the arithmetic.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from ml_platform.errors import TrialLostError
from ml_platform.lineage.checkout import this_checkout
from ml_platform.lineage.code import ReachedCode, reached_code
from ml_platform.lineage.environment import environment_fingerprint, packages_behind, this_environment
from ml_platform.lineage.fingerprints import fingerprint
from ml_platform.recovery.checkpoints import CheckpointStore
from ml_platform.recovery.isolation import run_isolated
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.models import TabularModel, dumps, loads
from ml_platform.training.config import ModelConfig
from ml_platform.training.fit import FinalFit, fit_final
from ml_platform.training.records import Inputs, Origin, Preparation, TrainedModel, TrainingSet
from ml_platform.training.search import (
    Proposal,
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

RESULT = "result.json"
WHAT_A_MODEL_FOLLOWS_FROM = (
    "features_table",
    "labels_table",
    "join_on",
    "labels",
    "not_features",
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


class FittedWinner(NamedTuple):
    """The final fit of the winner, where its bytes are, and what it was fitted on."""

    fit: FinalFit
    uri: str
    winner: TrialOutcome
    training_set: TrainingSet


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

    def trial(self, proposal: Proposal, iterations: int) -> TrialOutcome:
        """The outcome of a trial, in a process of its own unless it is known; a lost process is a failed trial.

        A failure may have been bad luck, so only a score is kept for the next attempt.
        """
        memo = self._memo(proposal, iterations)
        if self.objects.exists(memo):
            return TrialOutcome.model_validate_json(self.objects.read(memo))
        import_before_forking()
        try:
            outcome = run_isolated(fit_trial, self, proposal, iterations)
        except TrialLostError as error:
            return failed_trial(proposal, iterations, str(error))
        if outcome.outcome == "scored":
            self.objects.write(memo, outcome.model_dump_json().encode())
        return outcome

    def states(self, proposal: Proposal) -> CheckpointStore:
        """The states of one trial, by iterations."""
        return CheckpointStore(self.objects, f"trials/{proposal.number}/states", keep=1)

    def fit_winner(self, outcomes: Sequence[TrialOutcome], each_step: Callable[[int], None]) -> FittedWinner:
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
        checkpoints = Reporting(self._checkpoints(), each_step)
        matrices = read_matrices(self.objects)
        final = fit_final(self.config.trainer, matrices.fit(), plan, checkpoints, self.config.checkpoint_every)
        path = f"models/{self.use_case}/{self.config.name}/{final.sha256}.skops"
        self.artifacts.write(path, final.data)
        return FittedWinner(final, self.artifacts.uri_of(path), winner, matrices.training_set)

    def _memo(self, proposal: Proposal, iterations: int) -> str:
        return f"trials/{proposal.number}/{iterations}.json"

    def _checkpoints(self) -> CheckpointStore:
        return CheckpointStore(self.objects, "checkpoints")


class Reporting(NamedTuple):
    """Checkpoints that tell of each one that is saved."""

    store: CheckpointStore
    each_step: Callable[[int], None]

    def save(self, step: int, data: bytes) -> None:
        """Save, then tell."""
        self.store.save(step, data)
        self.each_step(step)

    def latest(self) -> tuple[int, bytes] | None:
        """The newest checkpoint that is whole."""
        found = self.store.latest()
        return None if found is None else (found.step, found.data)


def training_fingerprint(config: ModelConfig, inputs: Inputs, windows: Windows) -> str:
    """Hash of everything that the model follows from; threads, reports and the gate are not among it."""
    code = training_code()
    return fingerprint(
        content=[inputs.features.content_root, inputs.labels.content_root],
        code=code.fingerprint,
        config={name: getattr(config, name) for name in WHAT_A_MODEL_FOLLOWS_FROM},
        environment=environment_fingerprint(code.packages),
        windows=windows,
    )


@cache
def training_code() -> ReachedCode:
    """The code that every model follows from, from its rows to its bytes, and the packages that it uses."""
    sources = (windows_at, read_rows, build_matrices, propose, fit_trial, TrainingRun)
    return reached_code(*sources, apart_from=KNOWN_OTHERWISE)


def origin_of(use_case: str, config: ModelConfig, dagster_run_id: str) -> Origin:
    """What is needed to make a model of this process again, besides its snapshot."""
    return Origin(
        use_case=use_case,
        config=config,
        code=training_code().definitions,
        packages=tuple(sorted(packages_behind(training_code().packages))),
        checkout=this_checkout(),
        environment=this_environment(),
        dagster_run_id=dagster_run_id,
    )


def record_of(artifacts: ObjectStore, uri: str, fingerprint: str) -> bytes | None:
    """The `TrainedModel` of that fingerprint, as JSON; its bytes are at `uri`, as `fit_winner` placed them.

    Found although the artifacts may have been moved since.
    """
    *_, use_case, name, _ = uri.split("/")
    path = f"training/{use_case}/{name}/{fingerprint}/{RESULT}"
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
        trainer=config.trainer,
        parameters=fitted.winner.parameters,
        iterations=config.iterations,
        features=known.features,
        inputs=preparation.inputs,
        windows=preparation.windows,
        rows=known.rows,
        baselines=known.baselines,
        trials=(),
        mlflow_run_id=preparation.mlflow_run_id,
        mlflow_uri="",
        origin=origin,
    )


def _resumed(states: CheckpointStore) -> TabularModel | None:
    found = states.latest()
    return None if found is None else loads(found.data, hashlib.sha256(found.data).hexdigest())
