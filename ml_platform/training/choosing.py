"""Which trainer a name in training/defs.yaml means, and whether it can do what is asked of it.

Belongs here: the choice. Does not: the protocol (`trainers`), or fitting.
"""

from ml_platform.errors import DefinitionError
from ml_platform.evaluation.task import Task
from ml_platform.training.boosting import HistGradientBoosting
from ml_platform.training.estimators import ImportedEstimator
from ml_platform.training.linear import SgdLinear
from ml_platform.training.trainers import Trainer, TrainerName

TRAINERS: dict[str, Trainer] = {
    "hist_gradient_boosting": HistGradientBoosting(),
    "sgd_logistic": SgdLinear("sgd_logistic"),
    "sgd_linear": SgdLinear("sgd_linear"),
}


def trainer_named(name: TrainerName) -> Trainer:
    """The built-in trainer of that name, or one for the estimator at that import path."""
    return TRAINERS.get(name) or ImportedEstimator(name)


def check_trainer(name: TrainerName, task: Task, parameters: set[str]) -> None:
    """Accept a trainer that can fit the task, and parameter names that it has.

    Raises:
        DefinitionError: naming each unknown parameter and all that there are, or the tasks that it can fit; or nothing
            is at the import path.
    """
    trainer = trainer_named(name)
    if task.kind not in trainer.tasks:
        raise DefinitionError(
            f"Trainer {name!r} fits no {task.kind} task",
            expected=f"a task of the kind {' or '.join(trainer.tasks)}",
            remedy="Correct `trainer` or `task` in the use case's training/defs.yaml.",
        )
    unknown = sorted(parameters - trainer.parameter_names)
    if unknown:
        raise DefinitionError(
            f"Trainer {name!r} has no parameter {', '.join(map(repr, unknown))}",
            expected=f"any of {', '.join(sorted(trainer.parameter_names))}",
            remedy="Correct `parameters` or `search` in the use case's training/defs.yaml.",
        )
