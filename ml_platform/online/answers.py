"""What the service says, as models: they are the page of the API, and nothing is validated by them on the way out.

Belongs here: responses and errors. Does not: requests, which the use case's contract makes (`requests`).
"""

import datetime as dt
from typing import Literal

from pydantic import BaseModel, Field


class Prediction(BaseModel):
    """One row's answer; its columns are named as in the table of batch predictions."""

    probability: float = Field(description="Probability of the positive class.", ge=0, le=1)
    model_version: int | None = Field(description="Version in the registry that answered; null for a baseline.")
    model_as_of: dt.date = Field(description="As-of month of what answered.")
    model_fingerprint: str = Field(description="Hash of everything that what answered follows from.")
    model_sha256: str = Field(description="Hash of the model's bytes; those that the baseline came with.")
    model_rung: Literal["champion", "last_known_good", "baseline", "challenger"] = Field(
        description="Who answered; a challenger is a new version that is being tried on a share of the requests."
    )
    degraded: list[Literal["features", "model"]] = Field(
        description="`features`: days that the features look at are not published. `model`: not the champion answered."
    )


class TableFreshness(BaseModel):
    """How fresh one table is, as the service has it."""

    version: int = Field(description="Version of the table.")
    newest_day: dt.date | None = Field(description="Newest day that it has.")
    known_until: dt.datetime | None = Field(description="Latest instant that it knows of.")


class Freshness(BaseModel):
    """How fresh what answered is."""

    looked_at: dt.datetime | None = Field(
        description="When the service was last up to date with the store; null since it started without it."
    )
    tables: dict[str, TableFreshness] = Field(description="Each table that features are made from.")


class PredictionResponse(BaseModel):
    """One prediction for each row of the request, in its order."""

    predictions: list[Prediction] = Field(description="In the order of the request's rows.")
    degraded_rows: int = Field(description="How many of them are degraded in some way.")
    reasons: list[str] = Field(description="Why.")
    freshness: Freshness = Field(description="How fresh what answered is.")
    request_id: str = Field(description="Names the request, in the log and in the table of what was served.")


class ProblemResponse(BaseModel):
    """One thing that is wrong with a request."""

    row: int | None = Field(description="Place of the row in the request, from 0.")
    field: str = Field(description="The field, or the rule of the contract.")
    problem: str = Field(description="What is wrong with it.")


class ErrorBody(BaseModel):
    """Why there is no answer."""

    code: str = Field(description="Short name of the kind of error.")
    message: str = Field(description="What is wrong, in a sentence.")
    problems: list[ProblemResponse] = Field(default=[], description="Each field that is wrong, the first twenty.")


class ErrorResponse(BaseModel):
    """An error."""

    error: ErrorBody = Field(description="Why there is no answer.")


class Ready(BaseModel):
    """Whether the service can answer."""

    is_ready: bool = Field(description="Whether there is a champion and a history.")
    lacks: list[str] = Field(description="What is missing.")


class Answers(BaseModel):
    """Which version answers for the days from `as_of` on, and in which order others stand in."""

    as_of: dt.date = Field(description="First day.")
    version: int = Field(description="The champion.")
    sha256: str = Field(description="Hash of its bytes.")
    rungs: list[str] = Field(description="Who answers, the first that can.")
    failures: list[str] = Field(description="Why the champion does not; empty if it does.")


class Tried(BaseModel):
    """A version that is tried on requests before it is promoted."""

    version: int = Field(description="The version.")
    share: float = Field(description="Share of the requests that it answers; 0 where it only scores them as well.")
    requests: int = Field(description="Requests that were compared with the champion's answer.")
    verdict: Literal["running", "passed", "refused"] = Field(description="Its verdict in this process.")
    reason: str = Field(description="Why, or how far it is.")


class Model(BaseModel):
    """What the service answers with."""

    name: str = Field(description="Registered model.")
    months: list[Answers] = Field(description="By the day from which each answers.")
    trial: Tried | None = Field(description="The version that is tried on requests; null where none is.")
    first_day: dt.date | None = Field(description="First day that rows may be of.")
    freshness: Freshness = Field(description="How fresh it is.")
