"""Records of a reproduction: what a new process is told to make again, what it answers, and what the comparison says.

Belongs here: the records. Does not: making (`reproduce_process`) or comparing (`reproduce_differences`).
"""

import datetime as dt
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.tracking.registry import RegisteredModel
from ml_platform.training.search import TrialOutcome

Aspect = Literal["environment", "code", "config", "inputs", "search", "model", "predictions"]


class PublishedDays(BaseModel):
    """Days that the version predicted, all from one version of the features."""

    model_config = ConfigDict(frozen=True)

    features_version: int = Field(description="Version of the features that they were predicted from.")
    days: tuple[str, ...] = Field(description="Partition keys of the predictions.")


class Predicted(BaseModel):
    """Where the predictions of a version are, and what they were made from."""

    model_config = ConfigDict(frozen=True)

    table: str = Field(description="Name of the table of predictions.")
    version: int = Field(description="Its version.")
    features_table: str = Field(description="Name of the table of features.")
    day_column: str = Field(description="Column whose date is the partition.")
    published: tuple[PublishedDays, ...] = Field(description="The days of the model version.")


class Order(BaseModel):
    """What the new process is to make again, and where; credentials come from its environment."""

    model_config = ConfigDict(frozen=True)

    data_uri: str = Field(description="Prefix of the tables; they are only read.")
    scratch_uri: str = Field(description="Prefix that the process writes below.")
    record: str = Field(description="Path of the model's record, as training wrote it.")
    registered: RegisteredModel = Field(description="The version in the registry.")
    predicted: Predicted | None = Field(description="The predictions to make again; null for none.")
    answer: str = Field(description="Path of the file that the process writes its answer to.")


class Comparison(BaseModel):
    """Published predictions against those of the model made again."""

    model_config = ConfigDict(frozen=True)

    days: int = Field(description="Days compared.")
    rows: int = Field(description="Rows published.")
    rows_equal: int = Field(description="Rows of which every column is equal, to the last bit.")
    rows_missing: int = Field(description="Rows published that were not made again.")
    rows_surplus: int = Field(description="Rows made again that were not published.")
    largest_difference: float = Field(description="Largest absolute difference of two probabilities.")


class Answer(BaseModel):
    """What the new process made."""

    model_config = ConfigDict(frozen=True)

    sha256: str = Field(description="Hash of the model's bytes.")
    bytes: int = Field(description="Size of the model.")
    code: Mapping[str, str] = Field(description="Hash of each definition of training that it ran.")
    trials: tuple[TrialOutcome, ...] = Field(description="Every trial on every rung that it reached.")
    predictions: Comparison | None = Field(description="The predictions compared; null if none were asked for.")
    cpu_seconds: float = Field(description="CPU seconds of the process.")


class Difference(BaseModel):
    """One thing that is not as it was."""

    model_config = ConfigDict(frozen=True)

    aspect: Aspect = Field(description="What it is about.")
    what: str = Field(description="Which package, definition, field, table, trial or result.")
    recorded: str = Field(description="As it was recorded.")
    found: str = Field(description="As it is now, or as it was made again.")


class Reproduction(BaseModel):
    """A version made again: equal or not, and everything that differs."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the model in the registry.")
    version: int = Field(description="Number of the version.")
    as_of: dt.date = Field(description="First day of the as-of month.")
    is_equal: bool = Field(description="Whether the bytes of the model and every prediction are equal.")
    snapshot: Mapping[str, int] = Field(description="Version of each table that it was made from.")
    code_from: str = Field(description="Which code ran.")
    recorded_sha256: str = Field(description="Hash of the model's bytes, as registered.")
    rebuilt: Answer = Field(description="What was made.")
    circumstances: tuple[Difference, ...] = Field(description="What differs around it: it need not change the result.")
    results: tuple[Difference, ...] = Field(description="What differs in the result: search, model, predictions.")
    remedy: str = Field(description="What would take the differing circumstances away; empty if there are none.")
