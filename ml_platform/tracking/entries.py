"""What can be said to MLflow about a run: values that may wait as JSON, and that are said again without doing it twice.

Belongs here: the entries. Does not: saying them (`writing`), or where they wait (`journal`).
"""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from ml_platform.tracking.runs import EndStatus, RunKey, TableInput


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")


class Opened(_Entry):
    """The run of a key is wanted, and is being worked on."""

    kind: Literal["opened"] = "opened"
    key: RunKey = Field(description="What the run is found by.")
    experiment: str = Field(description="Name of its experiment.")
    run_name: str = Field(description="Name of the run, if it has to be made.")
    tags: Mapping[str, str] = Field(description="Tags that it has from its beginning.")
    inputs: tuple[TableInput, ...] = Field(description="Tables that it reads.")


class Recorded(_Entry):
    """Values and files of a run."""

    kind: Literal["recorded"] = "recorded"
    at_ms: int = Field(description="When the metrics were measured, in milliseconds since 1970.")
    params: Mapping[str, str] = Field(description="Parameters.")
    metrics: Mapping[str, float] = Field(description="Metrics with one value.")
    curves: Mapping[str, Mapping[int, float]] = Field(description="Metrics by step.")
    tags: Mapping[str, str] = Field(description="Tags.")
    files: Mapping[str, Base64Bytes] = Field(description="Artifacts by path; their content is encoded in base64.")


class ModelLogged(_Entry):
    """A model of the run, whose canonical bytes are in the platform's store."""

    kind: Literal["model_logged"] = "model_logged"
    name: str = Field(description="Its name in MLflow.")
    uri: str = Field(description="Where the bytes are.")
    sha256: str = Field(description="Their hash, in hexadecimal.")


class Closed(_Entry):
    """The end of the run."""

    kind: Literal["closed"] = "closed"
    status: EndStatus = Field(description="How it ended.")
    dagster_run_id: str = Field("", description="Only if this Dagster run opened it last; any, if empty.")


class Awaited(_Entry):
    """A partition that could not be materialized without MLflow; nothing is said to MLflow about it."""

    kind: Literal["awaited"] = "awaited"
    asset: str = Field(description="Key of the asset, joined by '/'.")
    job: str = Field(description="The job that materializes it.")
    partition: str = Field(description="Its partition.")


Entry = Annotated[Opened | Recorded | ModelLogged | Closed | Awaited, Field(discriminator="kind")]


class Note(BaseModel):
    """An entry that waits."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    at: dt.datetime = Field(description="Since when (UTC).")
    reason: str = Field(description="Why it was not said at once.")
    entry: Entry = Field(description="What is to be said.")
