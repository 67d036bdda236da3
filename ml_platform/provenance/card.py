"""The model card: what is said of one registered version, each field from the record or declaration that has it.

Belongs here: the card as data. Does not: where its facts come from (`card_facts`), or how it looks (`pages`).
"""

import datetime as dt
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.lineage.checkout import Checkout
from ml_platform.provenance.contract_facts import ColumnFact, RuleCount
from ml_platform.tracking.registry import RegistryEvent
from ml_platform.training.evaluation import Evaluation
from ml_platform.training.gate import GateDecision
from ml_platform.training.records import TableRead
from ml_platform.training.trainers import ParameterValue


class Use(BaseModel):
    """What a model is for, as its owners declare it."""

    model_config = ConfigDict(frozen=True)

    intended_use: str = Field(description="Who uses it for which decision.")
    out_of_scope: tuple[str, ...] = Field(description="Uses that it is not made for.")
    limits: tuple[str, ...] = Field(description="What is known to make it wrong.")


class WindowFact(BaseModel):
    """One window of the walk-forward split."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the window.")
    purpose: str = Field(description="What its rows were used for.")
    first_day: dt.date = Field(description="First day.")
    last_day: dt.date = Field(description="Last day.")
    rows: int = Field(description="Labelled rows.")


class QuarantineFact(BaseModel):
    """Rows of one table that its contract refused, so that nothing was learnt from them."""

    model_config = ConfigDict(frozen=True)

    table: str = Field(description="The table that they were meant for.")
    rows_in: int = Field(description="Rows that came in.")
    rows: int = Field(description="Rows refused.")
    by_rule: tuple[RuleCount, ...] = Field(description="Rows by rule.")


class Exclusion(BaseModel):
    """Rows that were accepted and not learnt from."""

    model_config = ConfigDict(frozen=True)

    rows: int = Field(description="Rows.")
    of: str = Field(description="What they are rows of.")
    why: str = Field(description="Why.")


class DataFact(BaseModel):
    """What the model was made from."""

    model_config = ConfigDict(frozen=True)

    first_day: dt.date = Field(description="First day of the features.")
    last_day: dt.date = Field(description="Last day of the features.")
    rows: int = Field(description="Rows of the features on these days.")
    labelled_rows: int = Field(description="Rows of the labels on these days.")
    windows: tuple[WindowFact, ...] = Field(description="How the rows were split.")
    quarantined: tuple[QuarantineFact, ...] = Field(description="Refused rows of the tables that it follows from.")
    exclusions: tuple[Exclusion, ...] = Field(description="Other rows that were not learnt from.")


class FeatureFact(BaseModel):
    """One feature: what it is, and how much the model relies on it."""

    model_config = ConfigDict(frozen=True)

    column: ColumnFact = Field(description="The column.")
    loss_increase: float | None = Field(description="Increase of the task's loss when it is shuffled.")


class InputFact(BaseModel):
    """One table of the snapshot."""

    model_config = ConfigDict(frozen=True)

    read: TableRead = Field(description="What was read.")
    committed_at: dt.datetime | None = Field(description="When the version was published (UTC); null if unknown.")
    run_id: str | None = Field(description="The run that published it.")


class StepFact(BaseModel):
    """One step on the way to the version, as Dagster's history has it."""

    model_config = ConfigDict(frozen=True)

    asset: str = Field(description="The asset.")
    partition: str = Field(description="Its partition.")
    run_id: str | None = Field(description="The run; null if the history does not have it any more.")
    at: dt.datetime | None = Field(description="When (UTC).")
    code_version: str | None = Field(description="Version of the code that made it.")


class LineageFact(BaseModel):
    """Where the version comes from."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str = Field(description="Hash of everything that the model follows from.")
    sha256: str = Field(description="Hash of the model's bytes.")
    uri: str = Field(description="Where these bytes are.")
    mlflow_run_id: str = Field(description="The MLflow run.")
    checkout: Checkout = Field(description="Where the code was from.")
    inputs: tuple[InputFact, ...] = Field(description="The snapshot.")
    steps: tuple[StepFact, ...] = Field(description="The runs.")


class EnvironmentFact(BaseModel):
    """What the model was made with."""

    model_config = ConfigDict(frozen=True)

    python: str = Field(description="Version of Python.")
    machine: str = Field(description="Operating system and processor.")
    packages: Mapping[str, str] = Field(description="Versions of the packages that the training code uses.")
    installed: int = Field(description="Packages that were installed in all; all are in the model's record.")


class TrainingFact(BaseModel):
    """How the model was fitted."""

    model_config = ConfigDict(frozen=True)

    trainer: str = Field(description="The estimator.")
    parameters: Mapping[str, ParameterValue] = Field(description="Parameters that are not its defaults.")
    iterations: int = Field(description="Iterations of the final fit.")
    seed: int = Field(description="Seed of everything random.")
    trials: int = Field(description="Settings that were tried.")


class ModelCard(BaseModel):
    """Everything that a reader needs to decide whether to rely on one version."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the model in the registry.")
    version: int = Field(description="Number of the version.")
    as_of: dt.date = Field(description="First day of the as-of month: trained on what was known before it.")
    standing: str = Field(description="Where the version stands in the registry now.")
    use_case: str = Field(description="Name of the use case.")
    question: str = Field(description="The question that the use case answers.")
    description: str = Field(description="What is predicted.")
    owners: tuple[str, ...] = Field(description="Who answers for it.")
    use: Use = Field(description="What it is for.")
    data: DataFact = Field(description="What it was made from.")
    training: TrainingFact = Field(description="How it was fitted.")
    holdout: Evaluation = Field(description="Scores on the days just before as-of; the gate decided on them.")
    test: Evaluation | None = Field(description="Scores on the as-of month; null while it has too few labels.")
    gate: GateDecision = Field(description="What the gate said, with every reason.")
    features: tuple[FeatureFact, ...] = Field(description="What it reads, the most important first.")
    lineage: LineageFact = Field(description="Where it comes from.")
    environment: EnvironmentFact = Field(description="What it was made with.")
    log: tuple[RegistryEvent, ...] = Field(description="What was decided about it, oldest first.")
    up_to: dt.datetime = Field(description="Instant (UTC) of the newest fact; the same facts give the same card.")

    @property
    def shown(self) -> Evaluation:
        """The scores that a reader looks at first: those of the as-of month, which nothing had seen, if it has any."""
        return self.test or self.holdout


def card_path(name: str, version: int, suffix: str) -> str:
    """Where the card of a version is kept, below the artifacts."""
    return f"cards/models/{name}/{version}.{suffix}"
