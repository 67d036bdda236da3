"""Hyper-parameter search: Optuna proposes, successive halving decides, survivors go on from where they stopped.

Every trial starts at the first rung; after each rung the best are kept and fitted further from their own state. The
first proposal is the configured defaults, so that a search is never worse than none. A trial that fails is a recorded
outcome.

Belongs here: proposing, running and ranking trials. Does not: where they run or how their state is kept.
"""

import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from threadpoolctl import threadpool_limits

from ml_platform.errors import NoSurvivingTrialError, TrainingError
from ml_platform.evaluation.scores import value_of
from ml_platform.evaluation.task import FloatArray
from ml_platform.tracking.models import TabularModel, predict_matrix
from ml_platform.training.choosing import trainer_named
from ml_platform.training.trainers import FitPlan, ParameterValue, ParameterValues, TrainerName, TrainingData

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

TRIAL_FAILURES = (ValueError, ArithmeticError, TrainingError)
"""What says that the parameters cannot be fitted. Anything else, such as storage that does not answer or memory that is
short, says nothing about them, and must not decide a search."""


class FloatRange(BaseModel):
    """A real parameter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["float"] = Field(description="A real number.")
    low: float = Field(description="Smallest value.")
    high: float = Field(description="Largest value.")
    log: bool = Field(default=False, description="Whether to search by order of magnitude.")


class IntRange(BaseModel):
    """A whole parameter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["int"] = Field(description="A whole number.")
    low: int = Field(description="Smallest value.")
    high: int = Field(description="Largest value.")
    log: bool = Field(default=False, description="Whether to search by order of magnitude.")


class Choice(BaseModel):
    """A parameter with a few values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["choice"] = Field(description="One of a few values.")
    values: Sequence[ParameterValue] = Field(min_length=1, description="The values.")


SearchRange = FloatRange | IntRange | Choice


class Rung(BaseModel):
    """A stage of the search."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iterations: int = Field(ge=1, description="Iterations that each trial has in all at the end of the rung.")
    keep: int = Field(ge=1, description="Trials that go on; one after the last rung.")


class SearchConfig(BaseModel):
    """What is tried, and how soon it is given up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: int = Field(
        default=4, ge=1, description="Trials of the first rung; the first has the configured parameters."
    )
    rungs: Sequence[Rung] = Field(min_length=1, description="Stages, each longer and with fewer trials.")
    parameters: dict[str, SearchRange] = Field(default_factory=dict, description="Ranges by parameter of the trainer.")

    @model_validator(mode="after")
    def halve(self) -> Self:
        """Refuse rungs that do not grow longer and narrower, or that end with several winners."""
        iterations = [rung.iterations for rung in self.rungs]
        kept = [self.trials, *(rung.keep for rung in self.rungs)]
        if iterations != sorted(set(iterations)) or kept != sorted(kept, reverse=True) or kept[-1] != 1:
            raise ValueError("rungs need rising iterations, keep that never rises, and keep 1 at the end")
        return self


class Proposal(BaseModel):
    """Parameters to try."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(description="Number of the trial, from 0; 0 has the configured parameters.")
    parameters: ParameterValues = Field(description="Parameters of the trainer that differ from its defaults.")


class TrialOutcome(BaseModel):
    """What one trial reached on one rung."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(description="Number of the trial.")
    parameters: ParameterValues = Field(description="Its parameters.")
    iterations: int = Field(description="Iterations in all.")
    outcome: Literal["scored", "failed"] = Field(description="Whether there is a score.")
    validation_loss: float | None = Field(
        default=None, description="Loss of the task on the validation window; null if failed."
    )
    failure: str | None = Field(default=None, description="Why there is no score.")
    seconds: float = Field(default=0.0, description="CPU seconds of the fit and the score.")
    attempts: int = Field(default=1, description="Times it was begun; more than one if its process was lost.")
    run_id: str = Field(default="", description="The Dagster run that ran it.")


class TrialResult(NamedTuple):
    """The outcome of a trial and the model to go on from; none if it failed."""

    outcome: TrialOutcome
    model: TabularModel | None


class SearchData(NamedTuple):
    """What trials learn from and are ranked on; both windows are encoded alike."""

    search: TrainingData
    validation: TrainingData


class TrialSettings(NamedTuple):
    """What all trials of a search share."""

    trainer: TrainerName
    seed: int
    threads: int = 1


def propose(defaults: ParameterValues, config: SearchConfig, seed: int) -> list[Proposal]:
    """One proposal for each trial: the defaults, then a scrambled Sobol sequence; the same for the same seed."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {name: _distribution(config.parameters[name]) for name in sorted(config.parameters)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # proposals are pinned by a test
        sampler = optuna.samplers.QMCSampler(scramble=True, seed=seed)
    study = optuna.create_study(sampler=sampler)
    proposals = [Proposal(number=0, parameters=defaults)]
    while space and len(proposals) < config.trials:
        trial = study.ask(fixed_distributions=space)
        proposals.append(Proposal(number=len(proposals), parameters={**defaults, **trial.params}))
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)  # the sampler numbers trials, it learns from none
    return proposals


def run_trial(
    proposal: Proposal, iterations: int, data: SearchData, settings: TrialSettings, resume: TabularModel | None = None
) -> TrialResult:
    """The trial, fitted to `iterations` in all and scored on the validation window; a failure becomes its outcome."""
    started = time.process_time()
    plan = FitPlan(parameters=proposal.parameters, iterations=iterations, seed=settings.seed, threads=settings.threads)
    task, validation = data.validation.task, data.validation
    try:
        model = trainer_named(settings.trainer).fit(data.search, plan, resume)
        loss = value_of(task.type.loss, validation.labels, _scores(model, validation, settings.threads), task)
        if not np.isfinite(loss):
            raise TrainingError(f"The {task.type.loss} on the validation window is not a number", got=str(loss))
    except TRIAL_FAILURES as error:
        return TrialResult(failed_trial(proposal, iterations, f"{type(error).__name__}: {error}"), None)
    outcome = TrialOutcome(
        number=proposal.number,
        parameters=proposal.parameters,
        iterations=iterations,
        outcome="scored",
        validation_loss=loss,
        seconds=time.process_time() - started,
    )
    return TrialResult(outcome, model)


def failed_trial(proposal: Proposal, iterations: int, failure: str) -> TrialOutcome:
    """The outcome of a trial that has no score."""
    return TrialOutcome(
        number=proposal.number,
        parameters=proposal.parameters,
        iterations=iterations,
        outcome="failed",
        failure=failure,
    )


def promote(outcomes: Sequence[TrialOutcome], keep: int) -> list[TrialOutcome]:
    """The best `keep` outcomes by their loss on the validation window, best first; of equal ones the lower number.

    Raises:
        NoSurvivingTrialError: every trial failed; with each reason.
    """
    ranked = sorted(
        (outcome.validation_loss, outcome.number, outcome)
        for outcome in outcomes
        if outcome.validation_loss is not None
    )
    if not ranked:
        reasons = "; ".join(f"trial {outcome.number}: {outcome.failure}" for outcome in outcomes)
        raise NoSurvivingTrialError(
            f"Every one of {len(outcomes)} trials failed",
            got=reasons or "no trial at all",
            kept="No model was made; the champion stands",
            remedy="Correct the parameters or ranges in the use case's training/defs.yaml, then retry from failure",
        )
    return [outcome for _, _, outcome in ranked[:keep]]


def _scores(model: TabularModel, data: TrainingData, threads: int) -> FloatArray:
    with threadpool_limits(threads):
        return predict_matrix(model, data.matrix)


def _distribution(parameter: SearchRange) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match parameter:
        case FloatRange():
            return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
        case IntRange():
            return IntDistribution(parameter.low, parameter.high, log=parameter.log)
        case Choice():
            return CategoricalDistribution(tuple(parameter.values))
