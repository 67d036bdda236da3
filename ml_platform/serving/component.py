"""The component behind `serving/defs.yaml`: promotion, batch predictions, quality and drift of one registered model."""

from collections.abc import Sequence
from typing import Literal, Self

import dagster as dg
from pydantic import Field, model_validator

from ml_platform.components.freshness import FreshWithin
from ml_platform.components.names import DatabaseTable, LandingPath, ModelName, TableName
from ml_platform.components.scaffold import UseCaseScaffolder
from ml_platform.components.use_case import load_use_case
from ml_platform.serving.trials import TrialLimits
from ml_platform.settings import Variable


class OnlineTrial(TrialLimits, dg.Resolvable):
    """How a new version is tried on requests before it is promoted, and what ends the trial."""


class ChampionRecord(dg.Model, dg.Resolvable):
    """Which version answers from an as-of month on."""

    name: TableName = Field(description="Name of the asset, the last part of its key.")
    description: str = Field(description="What one partition says, in one sentence; shown in the UI.")
    model_version: str = Field(description="Name of the training asset that registers a version for each as-of month.")
    registered_model: ModelName = Field(description="Name of the model in the registry, as in training/defs.yaml.")
    requires_approval: bool = Field(
        False, description="Whether a version that the gate approved waits until a person approves it too."
    )
    trial: OnlineTrial | None = Field(
        None,
        description="How the online service tries a version beside the champion before it takes its place; `{}` for "
        "the defaults. Without it, the gate's word is enough.",
    )

    @property
    def waits(self) -> bool:
        """Whether a version that the gate approved may have to wait for the word of a person or of a trial."""
        return self.requires_approval or self.trial is not None


class ModelFallback(dg.Model, dg.Resolvable):
    """Who answers while the champion of a day cannot: its bytes are lost, or it raises, or gives no probabilities."""

    last_known_good: bool = Field(
        False, description="Whether the version that would be champion without it answers, if it was promoted by then."
    )
    baseline: str | None = Field(
        None,
        description="Baseline of the model in training/defs.yaml, fitted with the champion, that answers if no version "
        "can.",
    )


class PredictionSink(dg.Model, dg.Resolvable):
    """A place that predictions are sent to: an object a day (`path`), or a database's table (`table`, `url_from`)."""

    name: TableName = Field(description="Name of the table of receipts, the last part of its asset key.")
    path: LandingPath | None = Field(
        None, description="Path of a day's object below ML_PLATFORM_EXPORT_URI, with `{day}` in it."
    )
    format: Literal["csv", "parquet"] = Field("parquet", description="Format of the objects.")
    table: DatabaseTable | None = Field(
        None, description="Table, or schema.table, whose rows of the day are replaced; it is made if it is not there."
    )
    url_from: Variable | None = Field(
        None, description="Environment variable that holds the database's URL as SQLAlchemy takes it."
    )
    fresh_within_hours: FreshWithin = None

    @property
    def destination(self) -> str:
        """Where it sends, without secrets."""
        return f"`{self.path}` below ML_PLATFORM_EXPORT_URI" if self.path else f"{self.table} in {self.url_from}"

    @model_validator(mode="after")
    def is_one_place(self) -> Self:
        """Refuse no place or two, one object for all days, and a table of no database."""
        if bool(self.path) == bool(self.table) or bool(self.table) != bool(self.url_from):
            raise ValueError("a sink has either a `path`, or a `table` and `url_from`")
        if self.path and ("{day}" not in self.path or "*" in self.path):
            raise ValueError("`path` has `{day}` in it, and no `*`: each day is an object of its own")
        return self


class PredictionTable(dg.Model, dg.Resolvable):
    """Predictions of a day's rows, made with the champion of that day."""

    name: TableName = Field(description="Name of the table, the last part of its asset key.")
    description: str = Field(description="Grain, in one sentence; shown in the UI.")
    features: str = Field(description="Name of the feature table whose rows are predicted for.")
    contract: str = Field(description="`module:Schema` of the feature table; its primary key identifies a prediction.")
    partition_column: str = Field(description="Column whose date is the partition.")
    row: str = Field(description="What one row is, a singular noun; names the check that every one has a prediction.")
    champion_look_back_days: int = Field(
        400,
        ge=31,
        description="How long before a day its champion may have been promoted; longer ago is not looked for.",
    )
    fallback: ModelFallback | None = Field(
        None,
        description="Who answers while the champion of a day cannot; its days are marked as degraded. Without it, the "
        "run fails and the days keep their last predictions.",
    )
    sinks: Sequence[PredictionSink] = Field(default=(), description="Where the predictions are sent to.")
    fresh_within_hours: FreshWithin = None


class QualityLimit(dg.Model, dg.Resolvable):
    """Between which values a score of a day is nothing to report."""

    score: str = Field(description="Column of the quality table.")
    lowest: float | None = Field(None, description="A day below this is reported.")
    highest: float | None = Field(None, description="A day above this is reported.")


class QualityTable(dg.Model, dg.Resolvable):
    """How good a day's predictions turned out, as far as labels have arrived."""

    name: TableName = Field(description="Name of the table, the last part of its asset key.")
    description: str = Field(description="Grain, in one sentence; shown in the UI.")
    labels: str = Field(description="Name of the label table; its rows carry the primary key of the features.")
    label_column: str = Field(description="Column of the labels that the model predicts.")
    lowest_roc_auc_score: float = Field(
        0.5, ge=0, le=1, description="Binary tasks: a day that ranks worse than this is reported; 0.5 is chance."
    )
    highest_roc_auc_score: float = Field(
        0.95,
        ge=0,
        le=1,
        description="Binary tasks: a day that ranks better than this is reported: the future may have leaked.",
    )
    limits: Sequence[QualityLimit] = Field(default=(), description="Limits of other scores, of any task.")
    fewest_labels: int = Field(100, ge=1, description="Labels that a day needs before its scores are judged.")
    fresh_within_hours: FreshWithin = None


class FalseAlarms(dg.Model, dg.Resolvable):
    """How rarely a false alarm may come, of drift and decay together, while nothing changes."""

    chance: float = Field(0.1, gt=0, lt=1, description="Highest chance of a false alarm within `days` days.")
    days: int = Field(31, ge=1, description="Length of that time; a model that is trained each month answers so long.")


class DriftMonitor(dg.Model, dg.Resolvable):
    """How far features and predictions of a day are from training, and whether losses have grown since evaluation."""

    name: TableName = Field("drift", description="Name of the table of distances, the last part of its asset key.")
    description: str = Field(
        "One feature or prediction column on one day, and how far it is from what the day's champion learnt from.",
        description="Grain, in one sentence; shown in the UI.",
    )
    alarms: TableName = Field("drift_alarms", description="Name of the table of alarms, the last part of its key.")
    alarms_description: str = Field(
        "One day with the evidence so far that features have drifted or predictions have become worse.",
        description="Grain of the table of alarms, in one sentence; shown in the UI.",
    )
    baseline: str | None = Field(
        None,
        description="Baseline of the model in training/defs.yaml whose loss on the same rows is taken off: days that "
        "are hard for everybody are then no decay. Without it, the loss alone is watched.",
    )
    bins: int = Field(10, ge=2, le=100, description="Bins of a number, and categories with a bin of their own.")
    rows_per_day: int = Field(
        400, ge=50, description="Rows of each day that are compared, evenly spread, on reference days and after alike."
    )
    fewest_reference_days: int = Field(
        28, ge=10, description="Days that a champion must have learnt from before its days are compared with them."
    )
    history_days: int = Field(
        62,
        ge=7,
        le=400,
        description="Days up to a day whose evidence counts; what the champion saw before is forgotten.",
    )
    false_alarms: FalseAlarms = Field(
        FalseAlarms(chance=0.1, days=31), description="How rarely a false alarm may come, while nothing changes."
    )


@dg.scaffold_with(UseCaseScaffolder)
class Deployment(dg.Component, dg.Model, dg.Resolvable):
    """Promotes what the gate approved, predicts day by day with the champion, and watches quality and drift."""

    champion: ChampionRecord = Field(description="The promotion, by as-of month.")
    predictions: PredictionTable = Field(description="The batch predictions, by day.")
    quality: QualityTable = Field(description="The quality of the predictions, by day.")
    drift: DriftMonitor | None = Field(
        None, description="What is watched for drift and decay; `{}` for the defaults. Without it, nothing is."
    )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets, checks and jobs of the deployment.

        Raises:
            DefinitionError: a name in the YAML means nothing.
        """
        from ml_platform.components.declared_task import declared_task
        from ml_platform.serving.deployment import build_deployment

        task = declared_task(context.path, self.champion.registered_model)
        return build_deployment(self, load_use_case(context.path), task)
