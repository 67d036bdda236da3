"""The component behind `data/defs.yaml`: from sources to raw, clean and feature tables."""

import datetime as dt
from collections.abc import Sequence
from typing import Literal, Self

import dagster as dg
from pydantic import Field, model_validator

from ml_platform.components.cuts import By
from ml_platform.components.freshness import FreshWithin
from ml_platform.components.names import LandingPath, TableName
from ml_platform.components.scaffold import UseCaseScaffolder
from ml_platform.components.use_case import load_use_case
from ml_platform.data.landing import Stamp
from ml_platform.data.landing_formats import Reading
from ml_platform.data.landing_paths import LandingFormat, cut_by, format_of
from ml_platform.data.query_text import cut_of_query
from ml_platform.settings import Variable


class SourceFallback(dg.Model, dg.Resolvable):
    """What is published, and marked as degraded, where the landing zone has no object that can be used."""

    cached_within_days: float | None = Field(
        None,
        gt=0,
        description="What was published before stands, if it was ingested from a sound object within so many days.",
    )
    otherwise: Literal["fail", "empty"] = Field(
        "fail",
        description="What is done where nothing is young enough: `fail`, or `empty` to publish the day without a row.",
    )

    @model_validator(mode="after")
    def declares_a_rung(self) -> Self:
        """Refuse a ladder without a rung."""
        if self.cached_within_days is None and self.otherwise == "fail":
            raise ValueError("a fallback needs cached_within_days, `otherwise: empty`, or both")
        return self

    def allows(self, age: dt.timedelta) -> bool:
        """Whether what is as old as `age` may stand."""
        return self.cached_within_days is not None and age <= dt.timedelta(days=self.cached_within_days)


class Query(dg.Model, dg.Resolvable):
    """Rows of a database, asked for when a partition is built."""

    url_from: Variable = Field(
        description="Environment variable that holds the URL as SQLAlchemy takes it, such as "
        "`postgresql+psycopg2://user:password@host/name`; it is never written down."
    )
    sql: str = Field(
        description="One SELECT. With `:day` in it (or `:next_day`, the day after) the table is partitioned by day, "
        "with `:key` by key, otherwise it is whole; the values are bound, never pasted in."
    )

    @model_validator(mode="after")
    def binds_what_there_is(self) -> Self:
        """Refuse parameters that nobody gives a value."""
        cut_of_query(self.sql)
        return self


class Fetch(dg.Model, dg.Resolvable):
    """Rows that a function of the use case fetches, from an API for example."""

    function: str = Field(
        description="`module:function` that returns a polars frame: of a day (a date), of a key (a text), or of "
        "everything (no argument). None says that there is nothing yet."
    )
    by: By = Field(description="How the table is partitioned: `day`, `key`, or `whole`.")


class LandedTable(dg.Model, dg.Resolvable):
    """A raw table: what one source delivered, typed but not judged. It has a `landing`, a `query` or a `fetch`."""

    name: TableName = Field(description="Name of the table, the last part of its asset key.")
    description: str = Field(description="Grain and origin, in one sentence; shown in the UI.")
    landing: LandingPath | None = Field(
        None,
        description="Path of the object below the landing zone. With `{day}` in it there is one object a day, and the "
        "table is partitioned by day; with `{key}` there is one for each of the `keys` of use_case.yaml, found in the "
        "landing zone, and the table is partitioned by key; without, the whole table is one object. `*` stands for "
        "any text within one part of the path: then all objects that fit are a partition's, together.",
    )
    query: Query | None = Field(None, description="Instead of `landing`: rows of a database.")
    fetch: Fetch | None = Field(None, description="Instead of `landing`: rows that a function fetches.")
    format: LandingFormat | None = Field(
        None,
        description="Format of the objects: `csv`, `jsonl` or `parquet`; the end of `landing` says it, before .gz, "
        ".zst or .zip, unless it is declared.",
    )
    contract: str = Field(description="`module:Schema` of the landed columns, named and typed as in the object.")
    source: str = Field("", description="Who provides the data and where they can be had; a data sheet needs it.")
    licence: str = Field("", description="Terms under which the data may be used; a data sheet needs it.")
    day_columns: Sequence[str] = Field(
        default=("year", "month", "day"),
        description="Columns that say which day a row belongs to: one date column, or year, month and day as numbers.",
    )
    key_column: str | None = Field(
        None, description="Column that says which key a row belongs to; without one, a row is of the key of its object."
    )
    null_values: Sequence[str] = Field(default=("NA",), description="Texts in a CSV that mean null.")
    separator: str = Field(",", min_length=1, max_length=1, description="What stands between the fields of a CSV.")
    may_be_empty: bool = Field(
        False, description="Whether a partition without a row is published; unless declared, it is refused."
    )
    days_without_object: Sequence[str] = Field(
        default=(), description="Days (YYYY-MM-DD) for which the upstream is known to deliver nothing; published empty."
    )
    fallback: SourceFallback | None = Field(
        None,
        description="What is done, and marked as degraded, where an object is missing, unreadable or out of reach.",
    )
    fresh_within_hours: FreshWithin = None

    @property
    def by(self) -> By:
        """How the table is cut."""
        return cut_by(self.origin)

    @property
    def origin(self) -> str:
        """Where the rows come from, with `{day}` or `{key}` in it: a path of objects, or a URI without secrets."""
        if self.landing:
            return self.landing
        if self.query:
            origin, by = f"sql://{self.query.url_from}/{self.name}", cut_of_query(self.query.sql)
        elif self.fetch:
            origin, by = f"function://{self.fetch.function.replace(':', '.')}/{self.name}", self.fetch.by
        else:
            raise AssertionError("a table without a source is refused")
        return origin if by == "whole" else f"{origin}/{{{by}}}"

    @property
    def kind(self) -> str:
        """What the rows are read as, in a word."""
        return "sql" if self.query else "python" if self.fetch else self.reading.format

    @property
    def reading(self) -> Reading:
        """How its objects are read."""
        format_ = self.format or format_of(self.landing or "") or "csv"
        return Reading(format_, tuple(self.null_values), self.separator)

    @property
    def stamped(self) -> Stamp | None:
        """The column that each row has its partition in; none where the table is whole."""
        stamps: dict[By, Stamp] = {"day": "landing_day", "key": "landing_key"}
        return stamps.get(self.by)

    def path_of(self, partition: str) -> str:
        """Where the rows of one partition come from."""
        return self.origin.format(day=partition, key=partition)

    @model_validator(mode="after")
    def fits_its_partitions(self) -> Self:
        """Refuse what means nothing where the table is cut as it is, and to publish a whole table without a row."""
        if sum(1 for source in (self.landing, self.query, self.fetch) if source) != 1:
            raise ValueError("a landed table has one source: `landing`, `query` or `fetch`")
        if self.landing and not self.format and not format_of(self.landing):
            raise ValueError("the end of `landing` does not say the format: declare `format`")
        if self.fallback and self.fallback.otherwise == "empty" and self.by == "whole":
            raise ValueError("`otherwise: empty` is for tables with one object a day or key; this one is one object")
        if self.by != "key" and self.key_column:
            raise ValueError("`key_column` is for tables whose `landing` has `{key}` in it")
        if self.by != "day" and self.days_without_object:
            raise ValueError("`days_without_object` is for tables whose `landing` has `{day}` in it")
        return self


class CleanedTable(dg.Model, dg.Resolvable):
    """A table that its contract vouches for, and the quarantine of the rows that broke it."""

    name: TableName = Field(description="Name of the table, the last part of its asset key.")
    description: str = Field(description="Grain and unit, in one sentence; shown in the UI.")
    source: str = Field(description="Name of the landed table that the rows come from.")
    function: str = Field(
        description="`module:function` from the source frame (and the references) to one clean row for each source row."
    )
    contract: str = Field(description="`module:Schema` that every published row holds to.")
    quarantine: TableName = Field(description="Name of the table of refused rows, each with the rules that it broke.")
    references: Sequence[str] = Field(
        default=(), description="Names of unpartitioned tables passed to the function by their name."
    )
    partition_column: str | None = Field(
        None, description="Column whose date or key is the partition; absent for unpartitioned tables."
    )
    reject_above: float = Field(
        0.05, ge=0, le=1, description="Share of refused rows above which nothing of the partition is published."
    )
    fresh_within_hours: FreshWithin = None


class DerivedTable(dg.Model, dg.Resolvable):
    """A table that is a pure function of the same days or keys of one other table, such as labels."""

    name: TableName = Field(description="Name of the table, the last part of its asset key.")
    description: str = Field(description="Grain and unit, in one sentence; shown in the UI.")
    source: str = Field(description="Name of the cleaned table that the rows come from.")
    function: str = Field(description="`module:function` from the source frame to the derived frame; it may drop rows.")
    contract: str = Field(description="`module:Schema` that every row must hold to; one broken row refuses the run.")
    leaves_out: str = Field(
        "", description="Which rows of the source have no row here, and why; a card of a model that uses it needs this."
    )
    partition_column: str = Field(description="Column whose date or key is the partition.")
    fresh_within_hours: FreshWithin = None


class FeatureInput(dg.Model, dg.Resolvable):
    """A history that features are computed from."""

    parameter: str = Field(description="Parameter of the feature function that receives the history.")
    table: str = Field(description="Name of a cleaned table whose contract says when each column becomes known.")
    look_back_days: int = Field(
        0, ge=0, description="Days before the partition that the function needs to see; none by key."
    )
    last_known_within_days: int | None = Field(
        None,
        ge=1,
        description="A day that is not published is bridged, and the features marked as degraded, if one of so many "
        "days before it is; unless declared, a day that is not published is refused.",
    )


class FeatureTable(dg.Model, dg.Resolvable):
    """Features of each row at its prediction time, from what was known by then and nothing else."""

    name: TableName = Field(description="Name of the table, the last part of its asset key.")
    description: str = Field(description="Grain and prediction time, in one sentence; shown in the UI.")
    rows: str = Field(description="Name of the cleaned or derived table whose rows are predicted for.")
    prediction_at: str = Field(description="`module:function` that adds the instant `prediction_at` to each row.")
    function: str = Field(
        description="`module:function(rows, **inputs)` that returns one row of features for each row."
    )
    inputs: Sequence[FeatureInput] = Field(description="Histories that the function is given.")
    contract: str = Field(description="`module:Schema` of keys and features.")
    partition_column: str = Field(description="Column whose date or key is the partition.")
    audit_cuts: int = Field(
        5, ge=1, description="Instants at which the future is hidden and the features are recomputed, each run."
    )
    fresh_within_hours: FreshWithin = None


class TableByDay(dg.Model, dg.Resolvable):
    """The rows of a table by key, those of all keys, cut by day: for what reads days, such as models."""

    name: TableName = Field(description="Name of the table, the last part of its asset key.")
    description: str = Field(description="Grain and unit, in one sentence; shown in the UI.")
    source: str = Field(description="Name of the table by key that has the rows; its contract holds here too.")
    partition_column: str = Field(description="Column of dates that says which day a row belongs to.")
    fresh_within_hours: FreshWithin = None


@dg.scaffold_with(UseCaseScaffolder)
class DataPipeline(dg.Component, dg.Model, dg.Resolvable):
    """Turns what sources deliver into raw, clean, derived and feature tables of one use case."""

    landed: Sequence[LandedTable] = Field(description="Raw tables.")
    cleaned: Sequence[CleanedTable] = Field(default=(), description="Cleaned tables, each with its quarantine.")
    derived: Sequence[DerivedTable] = Field(
        default=(), description="Tables derived from one cleaned table, such as labels."
    )
    features: Sequence[FeatureTable] = Field(default=(), description="Feature tables.")
    by_day: Sequence[TableByDay] = Field(
        default=(), description="Tables by key cut by day, of all keys together; models and predictions read these."
    )

    @property
    def made(self) -> "list[CleanedTable | DerivedTable | FeatureTable]":
        """The tables that a function makes of others, cleaned ones first."""
        return [*self.cleaned, *self.derived, *self.features]

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets, checks and jobs of the pipeline.

        Raises:
            DefinitionError: a name in the YAML means nothing, or a table refers to one that is not declared.
        """
        from ml_platform.data.pipeline import build_pipeline

        return build_pipeline(self, load_use_case(context.path))
