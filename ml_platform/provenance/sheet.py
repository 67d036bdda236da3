"""The data sheet: what is said of one table, each field from the declaration, log or run that has it.

Belongs here: the sheet as data. Does not: where its facts come from (`sheet_facts`), or how it looks (`pages`).
"""

import datetime as dt

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.provenance.contract_facts import ColumnFact, RuleCount


class Origin(BaseModel):
    """A landed table that the rows come from."""

    model_config = ConfigDict(frozen=True)

    table: str = Field(description="The landed table.")
    landing: str = Field(description="Path of its objects below the landing zone.")
    source: str = Field(description="Who provides the data.")
    licence: str = Field(description="Terms of use.")


class ColumnSheet(BaseModel):
    """One column, and how many of its values are missing."""

    model_config = ConfigDict(frozen=True)

    column: ColumnFact = Field(description="What the contract declares.")
    missing: int = Field(description="Rows without a value.")


class MonthRows(BaseModel):
    """Rows of one month."""

    model_config = ConfigDict(frozen=True)

    month: str = Field(description="The month, YYYY-MM.")
    rows: int = Field(description="Rows.")


class CheckResult(BaseModel):
    """The latest result of one check."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="The sentence that should be true.")
    passed: bool = Field(description="Whether it was.")
    told: str = Field(description="What the check said.")
    at: dt.datetime = Field(description="When (UTC).")
    run_id: str = Field(description="The run that executed it.")


class DataSheet(BaseModel):
    """Everything that a reader needs to decide whether to use one table."""

    model_config = ConfigDict(frozen=True)

    table: str = Field(description="Name of the table.")
    kind: str = Field(description="Its place in the pipelines: raw, clean, features and so on.")
    description: str = Field(description="Grain, in one sentence.")
    grain: str = Field(description="What one row is, as the contract says.")
    owners: tuple[str, ...] = Field(description="Who answers for it.")
    origins: tuple[Origin, ...] = Field(description="Where its rows come from, at the beginning.")
    made_from: tuple[str, ...] = Field(description="Tables that it is made from.")
    read_by: tuple[str, ...] = Field(description="Tables and models that are made from it.")
    version: int = Field(description="The version that is described, the newest.")
    published_at: dt.datetime = Field(description="When it was published (UTC).")
    partitions: int = Field(description="Partitions that it has.")
    first: str = Field(description="First day with rows; empty for a table that is not by day.")
    last: str = Field(description="Last day with rows.")
    rows: int = Field(description="Rows.")
    empty_days: tuple[str, ...] = Field(description="Days or keys that were published without a row.")
    months: tuple[MonthRows, ...] = Field(description="Rows by month; none for a table that is not by day.")
    columns: tuple[ColumnSheet, ...] = Field(description="The columns.")
    checks: tuple[CheckResult, ...] = Field(description="The latest result of each check.")
    quarantine: str = Field(description="The table of refused rows; empty where every row has to hold.")
    refused: int = Field(description="Rows in quarantine.")
    refused_by_rule: tuple[RuleCount, ...] = Field(description="These rows by rule.")
    leaves_out: str = Field(description="Rows of its source that it has no row for, and why; empty if there are none.")
    retention: str = Field(description="How long versions stay readable.")
    up_to: dt.datetime = Field(description="Instant (UTC) of the newest fact; the same facts give the same sheet.")

    @property
    def personal(self) -> tuple[ColumnSheet, ...]:
        """The columns that lead to a person."""
        return tuple(each for each in self.columns if each.column.personal)


def sheet_path(table: str, suffix: str) -> str:
    """Where the sheet of a table is kept, below the artifacts."""
    return f"cards/tables/{table}.{suffix}"
