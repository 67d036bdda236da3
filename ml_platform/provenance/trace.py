"""What a trace says: steps, each with its evidence, and which follows from which.

Belongs here: the words of the answer. Does not: where the evidence is (`trace_tables`, `trace_history`,
`trace_models`), following it (`trace_upstream`, `trace_downstream`), or showing it (`trace_text`).
"""

import datetime as dt
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Direction = Literal["upstream", "downstream"]
Kind = Literal["row", "table", "record", "landing"]


class Run(BaseModel):
    """A Dagster run."""

    model_config = ConfigDict(frozen=True)

    run_id: str = Field(description="Id in Dagster's history.")
    job: str = Field(description="Name of its job.")
    status: str = Field(description="How it ended.")
    started_at: dt.datetime | None = Field(description="When it started (UTC).")
    ended_at: dt.datetime | None = Field(description="When it ended (UTC).")
    commit: str | None = Field(None, description="Git commit that it ran, if it was recorded.")


class Check(BaseModel):
    """One executed asset check."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="The sentence that should be true.")
    passed: bool = Field(description="Whether it was.")
    severity: str = Field(description="ERROR or WARN: what a failure would have meant.")
    counts: dict[str, int] = Field(description="Whole numbers that the check recorded, such as rows.")


class Partitions(BaseModel):
    """Partitions of one table, as a range; their keys are left out where there are many."""

    model_config = ConfigDict(frozen=True)

    count: int = Field(description="How many.")
    first: str = Field(description="The first key.")
    last: str = Field(description="The last key.")

    @classmethod
    def of(cls, keys: Sequence[str]) -> "Partitions":
        """The range of `keys`, of which there is at least one."""
        return cls(count=len(keys), first=min(keys), last=max(keys))

    def __str__(self) -> str:
        if self.count == 1:
            return self.first
        return f"{self.count} partitions, {self.first} to {self.last}"


class LandedObject(BaseModel):
    """One landing object as it was ingested, or the rows of a query or function, and what has become of it."""

    model_config = ConfigDict(frozen=True)

    path: str = Field(description="Path below the landing zone, or the URI of rows that were asked for.")
    partition: str = Field(description="Partition of the raw table that it became, alone or with others.")
    sha256: str = Field(description="Hash of the bytes, or rows, that were ingested.")
    now: Literal["unchanged", "changed", "gone", "not asked"] = Field(
        description="What stands there now; a trace asks no database and calls no function."
    )


class Step(BaseModel):
    """One stored thing on the way, with what is known of how it came to be."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="Names the step within the trace.")
    kind: Kind = Field(description="A table's partitions, a record, landing objects, or one row of a table.")
    name: str = Field(description="Name of the table, record or landing pattern.")
    partitions: Partitions | None = Field(None, description="Which partitions; null where there are none.")
    version: int | None = Field(None, description="Version of the table that holds this content since.")
    content: str | None = Field(None, description="Content hash of one partition, content root of several.")
    made_at: dt.datetime | None = Field(None, description="When it was published (UTC).")
    run: Run | None = Field(None, description="The run that made it; null if Dagster's history does not have it.")
    code_version: str | None = Field(None, description="Version of the code that made it.")
    checks: tuple[Check, ...] = Field((), description="Checks of this asset in that run.")
    degraded: str | None = Field(None, description="Why the result is degraded; null if it is not.")
    changed_since: tuple[str, ...] = Field((), description="Partitions whose content is another now, or that are gone.")
    objects: tuple[LandedObject, ...] = Field((), description="The landing objects, for a step of that kind.")
    facts: dict[str, JsonValue] = Field(default_factory=dict, description="What else is known, by name.")
    missing: tuple[str, ...] = Field((), description="Evidence that cannot be had, and why, in words.")


class Link(NamedTuple):
    """One step follows from another."""

    source: str
    target: str
    role: str


class Trace(BaseModel):
    """Everything that a result follows from (upstream), or that follows from it (downstream)."""

    model_config = ConfigDict(frozen=True)

    direction: Direction = Field(description="Towards the landing objects, or towards the predictions.")
    start: str = Field(description="Id of the step that was asked about.")
    steps: tuple[Step, ...] = Field(description="Each step once, in the order in which it was reached.")
    links: tuple[Link, ...] = Field(description="Source, target and role: the target was made from the source.")

    def step(self, step_id: str) -> Step:
        """The step of that id."""
        return next(step for step in self.steps if step.id == step_id)

    def next_of(self, step_id: str) -> list[tuple[Step, str]]:
        """The steps that a reader goes on to from this one, each with the role of the link."""
        if self.direction == "upstream":
            return [(self.step(link.source), link.role) for link in self.links if link.target == step_id]
        return [(self.step(link.target), link.role) for link in self.links if link.source == step_id]

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Every run of the trace, once."""
        return tuple(dict.fromkeys(step.run.run_id for step in self.steps if step.run))
