"""What `training/defs.yaml` says about one model.

Belongs here: the fields and their meaning. Does not: the component that reads them, which knows Dagster.
"""

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml_platform.components.names import ModelName, TableName
from ml_platform.evaluation.task import BINARY, TASK_TYPES, WITHOUT_DIRECTION, Task
from ml_platform.training.baselines import BaselineConfig
from ml_platform.training.evaluation import ReportConfig
from ml_platform.training.gate import GateConfig
from ml_platform.training.search import SearchConfig
from ml_platform.training.splits import LabelColumns, WindowConfig
from ml_platform.training.trainers import BUILT_IN, ParameterValue, TrainerName


class CardConfig(BaseModel):
    """What only people can say of a model; the rest of its card comes from records. A card needs all of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intended_use: str = Field(default="", description="Who uses the model for which decision, in a few sentences.")
    out_of_scope: Sequence[str] = Field(default=(), description="Uses that the model is not made for, one each.")
    limits: Sequence[str] = Field(
        default=(), description="What is known to make it wrong, and what nobody has looked at, one each."
    )


class ReadinessLimits(BaseModel):
    """What the owners of a model hold to be acceptable; its ML Test Score is measured against these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature_seconds_a_day: float = Field(
        default=2.0, gt=0, description="Seconds that the features of one day may take, as recorded runs took them."
    )
    hours_to_a_new_feature: float = Field(
        default=2.0, gt=0, description="Hours that all features of the snapshot and the training may take together."
    )
    champion_age_days: int = Field(
        default=62, ge=1, description="Days after its as-of day on which a version may still predict."
    )
    slowdown: float = Field(
        default=2.0, gt=1, description="By which factor a training may take longer than the median of other versions."
    )


class RetrainingConfig(BaseModel):
    """When alarms of drift and decay call for training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alarms: str = Field(description="Name of the table of alarms in serving/defs.yaml (`drift.alarms`).")
    cool_down_days: float = Field(
        default=7.0, ge=0, description="Days after any training of the model in which no alarm asks for another."
    )


class ModelConfig(BaseModel):
    """One model: its data, how it is searched and fitted, and what it has to pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: TableName = Field(
        description="First part of the assets' names: `<name>_model`, `<name>_evaluation`, `<name>_model_version`.",
    )
    description: str = Field(description="What is predicted, for what and when, in one sentence; shown in the UI.")
    registered_as: ModelName = Field(description="Name of the model in the registry.")
    features_table: str = Field(description="Name of the table of features, partitioned by day.")
    labels_table: str = Field(description="Name of the table of labels, partitioned by day.")
    join_on: Sequence[str] = Field(min_length=1, description="Columns of both tables that identify a row.")
    labels: LabelColumns = Field(
        description="The label, its day and when it became known, as columns of the labels table."
    )
    not_features: Sequence[str] = Field(
        default=(), description="Columns of the features table that are no features; all others are."
    )
    card: CardConfig = Field(
        default=CardConfig(), description="What only people can say of the model, for its card; filled in before one."
    )
    readiness: ReadinessLimits = Field(
        default=ReadinessLimits(), description="Limits of the ML Test Score; nothing of the model follows from them."
    )
    task: Task = Field(
        default=BINARY,
        description=f"What kind of outcome is predicted: {', '.join(TASK_TYPES)}; scores, columns and baselines follow "
        "from it.",
    )
    trainer: TrainerName = Field(
        default="hist_gradient_boosting",
        description=f"Estimator: {', '.join(BUILT_IN)}; or the import path of one with scikit-learn's interface, as "
        "in `sklearn.ensemble.RandomForestRegressor`, or of a function of the use case's folder that makes a pipeline.",
    )
    parameters: dict[str, ParameterValue] = Field(
        default_factory=dict,
        description="Parameters of the trainer that are not its defaults; the first trial has them.",
    )
    search: SearchConfig = Field(description="Which parameters are tried, and how soon a trial is given up.")
    iterations: int = Field(ge=1, description="Iterations of the final fit.")
    checkpoint_every: int = Field(default=30, ge=1, description="Iterations between checkpoints of the final fit.")
    windows: WindowConfig = Field(default=WindowConfig(), description="Lengths of the walk-forward windows.")
    baselines: Sequence[BaselineConfig] = Field(
        min_length=1, description="Simple predictions that the model has to beat."
    )
    report: ReportConfig = Field(default=ReportConfig(), description="What the reports show.")
    allow_degraded: bool = Field(
        default=False,
        description="Whether degraded days are learnt from and judged by too, which makes the model degraded; "
        "unless allowed, they are left out.",
    )
    gate: GateConfig = Field(default=GateConfig(), description="What a challenger has to pass.")
    retraining: RetrainingConfig | None = Field(
        default=None, description="Whose alarms call for training, and how often at most; without it, none do."
    )
    seed: int = Field(default=0, ge=0, description="Seed of everything random.")
    threads: int = Field(
        default=2, ge=1, description="Threads of the final fit; trials have one each and run side by side."
    )

    @property
    def set_parameters(self) -> set[str]:
        """Names of the parameters that are set or searched."""
        return {*self.parameters, *self.search.parameters}

    @model_validator(mode="after")
    def gate_compares_by_a_score_of_the_task(self) -> Self:
        """Refuse to decide by a score that the task does not have, or that has no better and worse."""
        allowed = [metric for metric in self.task.type.metrics if metric not in WITHOUT_DIRECTION]
        if self.gate.metric not in (None, *allowed):
            kind, metric = self.task.kind, self.gate.metric
            raise ValueError(f"gate.metric: a {kind} task is not decided by {metric}; one of {', '.join(allowed)}")
        return self
