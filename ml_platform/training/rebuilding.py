"""A model made again from its record: the whole search and fit, in this process and in a place of its own.

Belongs here: doing again what a training run did. Does not: comparing the two, or recording anything.
"""

from typing import NamedTuple

from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore
from ml_platform.training.fit import FinalFit
from ml_platform.training.records import Origin, TrainedModel
from ml_platform.training.search import Proposal, TrialOutcome, promote, propose
from ml_platform.training.training_run import TrainingRun, fit_trial
from ml_platform.training.training_set import build_matrices, read_rows, write_matrices


class Rebuilt(NamedTuple):
    """The final fit, and every trial on every rung that it reached."""

    fit: FinalFit
    trials: tuple[TrialOutcome, ...]


def rebuild(tables: TableStore, scratch: ObjectStore, model: TrainedModel, origin: Origin) -> Rebuilt:
    """The model of the same snapshot, configuration and seed, fitted below `scratch`, where nothing may be found made.

    Trials run one after the other in this process: they give the same as in processes of their own.

    Raises:
        TableNotFoundError: a version of the snapshot is gone.
        NoSurvivingTrialError: every trial failed.
    """
    config = origin.config
    run = TrainingRun(scratch, origin.use_case, config, model.fingerprint)
    rows = read_rows(tables, model.inputs, config, None, model.as_of)
    write_matrices(run.objects, build_matrices(rows, model.windows, config))
    proposals = propose(config.parameters, config.search, config.seed)
    trials: list[TrialOutcome] = []
    outcomes: list[TrialOutcome] = []
    for rung in config.search.rungs:
        outcomes = [fit_trial(run, proposal, rung.iterations) for proposal in proposals]
        trials += outcomes
        kept = promote(outcomes, rung.keep)
        proposals = [Proposal(number=each.number, parameters=each.parameters) for each in kept]
    return Rebuilt(run.fit_winner(outcomes, lambda step: None).fit, tuple(trials))
