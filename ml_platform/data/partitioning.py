"""How each table of a data pipeline is cut, which follows from where its rows land, and what fits together.

Belongs here: what is declared, held against itself. Does not: the partitions (`components.partitions`), or names that
mean nothing (`pipeline`, `references`).
"""

from collections.abc import Iterator

import dataframely as dy
import polars as pl

from ml_platform.components.cuts import By
from ml_platform.components.use_case import UseCase
from ml_platform.contracts.columns import personal_columns
from ml_platform.data.component import CleanedTable, DataPipeline, DerivedTable, FeatureTable, LandedTable
from ml_platform.errors import DefinitionError

_TOLD: dict[By, str] = {"day": "by day", "key": "by key", "whole": "whole"}


def tables_by(pipeline: DataPipeline) -> dict[str, By]:
    """By the name of each table, and of each quarantine, how it is cut: as the rows that it is made from."""
    found: dict[str, By] = {table.name: table.by for table in pipeline.landed}
    for clean in pipeline.cleaned:
        found[clean.name] = found[clean.quarantine] = found[clean.source]
    found |= {derived.name: found[derived.source] for derived in pipeline.derived}
    found |= {features.name: found[features.rows] for features in pipeline.features}
    return found | {table.name: "day" for table in pipeline.by_day}


def landed_by(pipeline: DataPipeline, by: By) -> list[LandedTable]:
    """The landed tables that are cut so and made from objects in the landing zone."""
    return [table for table in pipeline.landed if table.by == by and table.landing]


def asked_by(pipeline: DataPipeline, by: By) -> list[LandedTable]:
    """The landed tables that are cut so and made from rows that are asked for."""
    return [table for table in pipeline.landed if table.by == by and not table.landing]


def require_fitting_partitions(pipeline: DataPipeline, use_case: UseCase) -> None:
    """Pass if each table has a partition column of the type of its keys, and histories are cut like the rows.

    Raises:
        DefinitionError: one does not; told are the table, the field and what to declare instead.
    """
    where, by = f"use_cases/{use_case.name}/data/defs.yaml", tables_by(pipeline)
    if "key" in by.values():
        _ = use_case.by_key  # raises where nothing says what the keys are
    problems = [
        *(problem for table in pipeline.made for problem in _of_column(table, by[table.name], use_case)),
        *(problem for table in pipeline.features for problem in _of_inputs(table, by)),
        *_of_tables_by_day(pipeline, by, use_case),
        *_of_key_columns(pipeline, use_case),
    ]
    if problems:
        raise DefinitionError(f"{where}: {'; '.join(problems)}")


def _of_column(table: CleanedTable | DerivedTable | FeatureTable, by: By, use_case: UseCase) -> Iterator[str]:
    column = table.partition_column
    if (column is None) != (by == "whole"):
        remedy = f"leave out partition_column '{column}'" if column else "name the partition_column that holds its keys"
        yield f"'{table.name}' is {_TOLD[by]}, as the rows that it is made from: {remedy}"
    elif column is not None:
        contract: type[dy.Schema] = use_case.resolve(table.contract)
        wanted, found = pl.Date() if by == "day" else pl.String(), contract.columns().get(column)
        if found is None or found.dtype != wanted:
            got = f"a {found.dtype}" if found else "no column of that name"
            yield f"'{table.name}' is {_TOLD[by]} and its partition_column '{column}' has to be a {wanted}, not {got}"


def _of_inputs(table: FeatureTable, by: dict[str, By]) -> Iterator[str]:
    for history in table.inputs:
        if by[history.table] != by[table.name]:
            cuts = f"{_TOLD[by[table.name]]} and its input '{history.table}' {_TOLD[by[history.table]]}"
            yield f"'{table.name}' is {cuts}: land both alike, or join the other as a reference of a cleaned table"
        elif by[table.name] == "key" and (history.look_back_days or history.last_known_within_days):
            back = f"'{table.name}' looks back on '{history.table}', whose partition holds all the time of a key"
            yield f"{back}: leave out look_back_days and last_known_within_days"


def _of_tables_by_day(pipeline: DataPipeline, by: dict[str, By], use_case: UseCase) -> Iterator[str]:
    sources = {table.name: table for table in pipeline.made}
    for table in pipeline.by_day:
        contract: type[dy.Schema] = use_case.resolve(sources[table.source].contract)
        found = contract.columns().get(table.partition_column)
        if by[table.source] != "key":
            cut = _TOLD[by[table.source]]
            yield f"'{table.name}' of by_day is cut from '{table.source}', which is {cut}: read that one where days are"
        elif found is None or found.dtype != pl.Date():
            got = f"a {found.dtype}" if found else "no column of that name"
            column = f"partition_column '{table.partition_column}'"
            yield f"'{table.name}' of by_day has the {column}, which has to be a Date of {contract.__name__}, not {got}"


def _of_key_columns(pipeline: DataPipeline, use_case: UseCase) -> Iterator[str]:
    """A landed key column is told where rows are of another key."""
    for table in pipeline.landed:
        contract: type[dy.Schema] = use_case.resolve(table.contract)
        if table.key_column and table.key_column not in contract.columns():
            yield f"'{table.name}' has the key_column '{table.key_column}', which {contract.__name__} does not declare"
        elif table.key_column in personal_columns(contract):
            yield f"'{table.name}' is cut by '{table.key_column}', which {contract.__name__} declares personal"
