"""What the steps of training hand to each other and store: small, typed, JSON-able.

Belongs here: records. Does not: rows, matrices or model bytes, which are objects that a record points to.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.evaluation.baseline import Baseline
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.lineage.checkout import Checkout
from ml_platform.lineage.environment import Environment
from ml_platform.training.config import ModelConfig
from ml_platform.training.evaluation import Evaluation
from ml_platform.training.gate import GateDecision, Reason
from ml_platform.training.importance import Importance
from ml_platform.training.search import TrialOutcome
from ml_platform.training.splits import WindowName, Windows
from ml_platform.training.trainers import ParameterValue


class TableRead(BaseModel):
    """A table as training read it."""

    model_config = ConfigDict(frozen=True)

    table: str = Field(description="Name of the table.")
    version: int = Field(description="The version that was read.")
    days: int = Field(description="Partitions that were read.")
    content_root: str = Field(description="Hash over the content of these partitions; the same data, the same hash.")
    degraded_days: tuple[str, ...] = Field((), description="Those of them that were degraded, and read all the same.")
    left_out_days: tuple[str, ...] = Field((), description="Days that were not read, as they were degraded.")
    left_out_rows: int = Field(0, description="Rows of these days.")


class Inputs(BaseModel):
    """The two tables that a model follows from."""

    model_config = ConfigDict(frozen=True)

    features: TableRead = Field(description="The features table.")
    labels: TableRead = Field(description="The labels table.")

    @property
    def degraded_days(self) -> tuple[str, ...]:
        """Days of either table that were read although they were degraded, in order."""
        return tuple(sorted({*self.features.degraded_days, *self.labels.degraded_days}))


class Preparation(BaseModel):
    """What all steps of one training share. The matrices are an object beside the trials."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str = Field(description="Hash of content, code, config, environment and seed.")
    as_of: dt.date = Field(description="First day of the as-of month.")
    mlflow_run_id: str = Field(description="The MLflow run of this training.")
    inputs: Inputs = Field(description="The tables as they were read.")
    windows: Windows = Field(description="Bounds of the walk-forward windows.")
    is_done: bool = Field(description="Whether a model with this fingerprint exists; then nothing is computed again.")


class TrainingSet(BaseModel):
    """What is known of the matrices that trials and the final fit read."""

    model_config = ConfigDict(frozen=True)

    features: tuple[str, ...] = Field(description="Feature columns, in the order of the matrix.")
    categories: Mapping[str, tuple[str, ...]] = Field(description="Known values of each text feature.")
    rows: Mapping[WindowName, int] = Field(description="Labelled rows of each window.")
    baselines: tuple[Baseline, ...] = Field(description="The baselines, fitted on the fit window.")
    task: Task = Field(default=BINARY, description="What is predicted.")


class Origin(BaseModel):
    """What a model can be made from again, with the tables of its snapshot; how it was told to be made."""

    model_config = ConfigDict(frozen=True)

    use_case: str = Field(description="Name of the use case.")
    config: ModelConfig = Field(description="The whole configuration, the seed among it.")
    code: Mapping[str, str] = Field(description="Hash of each definition that training reaches, by `module:name`.")
    packages: tuple[str, ...] = Field(description="Packages that this code uses; a change of one changes the model.")
    checkout: Checkout = Field(description="Where the code was from.")
    environment: Environment = Field(description="All that was installed.")
    dagster_run_id: str = Field(description="The Dagster run that made it.")


class Resumption(BaseModel):
    """What a training had from attempts before it, and what it could not keep for one after it."""

    model_config = ConfigDict(frozen=True)

    from_iteration: int = Field(description="Iteration that the final fit went on from; 0 if from none.")
    skipped_checkpoints: tuple[int, ...] = Field(
        description="Iterations of later checkpoints that were there and could not be used, newest first."
    )
    unsaved_checkpoints: tuple[int, ...] = Field(description="Iterations whose checkpoints could not be saved.")
    trials_found: int = Field(default=0, description="Trials, on all rungs, that an earlier run had scored.")
    trials_run: int = Field(default=0, description="Trials, on all rungs, that this run ran.")


class TrainedModel(BaseModel):
    """A fitted model and what it follows from; stored as the asset's record."""

    model_config = ConfigDict(frozen=True)

    as_of: dt.date = Field(description="First day of the as-of month: trained on what was known before it.")
    uri: str = Field(description="Where the model's canonical bytes are.")
    sha256: str = Field(description="Hash of these bytes, in hexadecimal.")
    fingerprint: str = Field(description="Hash of content, code, config, environment and seed.")
    task: Task = Field(default=BINARY, description="What is predicted.")
    trainer: str = Field(description="The estimator.")
    parameters: dict[str, ParameterValue] = Field(description="Parameters of the trainer that are not its defaults.")
    iterations: int = Field(description="Iterations of the final fit.")
    features: tuple[str, ...] = Field(description="Feature columns.")
    inputs: Inputs = Field(description="The tables as they were read.")
    windows: Windows = Field(description="Bounds of the walk-forward windows.")
    rows: Mapping[WindowName, int] = Field(description="Labelled rows of each window.")
    baselines: tuple[Baseline, ...] = Field(description="The baselines, fitted on the fit window.")
    widened_by: float = Field(
        default=0.0, description="Share of its width by which each end of a forecast's interval moved out."
    )
    trials: tuple[TrialOutcome, ...] = Field(description="Every trial on every rung that it reached.")
    mlflow_run_id: str = Field(
        description="The MLflow run that has its parameters, metrics and plots; `waiting-...` if MLflow was away."
    )
    mlflow_uri: str = Field(description="The model in MLflow; empty if MLflow was away.")
    resumption: Resumption | None = Field(default=None, description="What it was resumed from; null if not recorded.")
    origin: Origin | None = Field(default=None, description="What it can be made from again; null if not recorded.")

    @property
    def data_version(self) -> str:
        """What follows from this model is stale if its bytes or its fingerprint change, not if it took longer."""
        return hashlib.sha256(f"{self.sha256}:{self.fingerprint}".encode()).hexdigest()

    @property
    def snapshot(self) -> dict[str, int]:
        """Version of each table that it was made from."""
        return {each.table: each.version for each in (self.inputs.features, self.inputs.labels)}


class ModelEvaluation(BaseModel):
    """How one trained model scores on its holdout and, once its labels are there, on its as-of month."""

    model_config = ConfigDict(frozen=True)

    as_of: dt.date = Field(description="First day of the as-of month.")
    model_sha256: str = Field(description="Hash of the bytes of the evaluated model.")
    tested_on: Inputs | None = Field(default=None, description="The tables that the as-of month was read from.")
    holdout: Evaluation = Field(description="The days just before as-of; what the gate decides on.")
    test: Evaluation | None = Field(description="The as-of month itself; null while it has too few labels.")
    importances: tuple[Importance, ...] = Field(description="Permutation importance on the holdout, descending.")
    reasons: tuple[Reason, ...] = Field(description="The checks of the gate that need no champion.")


class ModelVersion(BaseModel):
    """A registered version and what the gate said of it."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the model in the registry.")
    version: int = Field(description="Number of the version.")
    as_of: dt.date = Field(description="First day of the as-of month.")
    uri: str = Field(description="Where the model's canonical bytes are.")
    sha256: str = Field(description="Hash of these bytes.")
    fingerprint: str = Field(description="Hash of everything that the model follows from.")
    mlflow_run_id: str = Field(description="The MLflow run that made it.")
    champion_version: int | None = Field(description="The champion that it was compared with; null if there was none.")
    decision: GateDecision = Field(description="What the gate said, with every reason.")
