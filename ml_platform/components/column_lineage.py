"""What the columns of a table follow from, as the UI and OpenLineage show it; tried out once for each version of code.

Belongs here: when an experiment is due, where its result is kept, and how it is told. Does not: the experiment
(`lineage.columns`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.components.reuse import Recipe
from ml_platform.errors import ColumnLineageError
from ml_platform.lineage.code import reached_code
from ml_platform.lineage.columns import SAMPLE_ROWS, Column, ColumnLineage, Function, observe, sampled
from ml_platform.lineage.fingerprints import fingerprint
from ml_platform.storage.io_managers import DeltaTableIOManager
from ml_platform.storage.objects import ObjectStore

COLUMN_LINEAGE = "dagster/column_lineage"
COLUMNS_FOLLOW_FROM = "columns_follow_from"
"""Metadata: the same as a table, as Dagster's open-source UI shows no column lineage."""
ROWS_FOLLOW_FROM = "rows_follow_from"
"""Metadata: the columns, by table, that decide which rows a table has."""


class Experiment(NamedTuple):
    """A table's function as the pipeline calls it, and what to call it on; `tables` are by path of their asset key."""

    function: Function
    tables: Mapping[str, pl.LazyFrame]
    key: Sequence[str]
    rows: int  # that the run computes; more of them may show more


class _Found(BaseModel):
    """What is kept of a table."""

    model_config = ConfigDict(frozen=True)

    made_from: str = Field(description="Fingerprint of the function, its packages and the experiment.")
    rows: int = Field(description="Rows that a run computed when the function was tried; not more than a sample has.")
    lineage: ColumnLineage


_FOUND: dict[str, _Found] = {}
"""What this process found, by `made_from`: the same code need not be tried again on other storage."""


def observed_lineage(
    context: dg.AssetExecutionContext, table: dg.AssetKey, recipe: Recipe, experiment: Experiment | None
) -> dict[str, Any]:
    """Metadata of the table, found by experiment; nothing where it was never made of a row.

    A result counts until the code changes; one of a smaller sample than there could be is added to when there are twice
    as many rows. Without an `experiment` it is what is known. If the function fails on a sample, a warning says so.
    """
    tables: DeltaTableIOManager = context.resources.tables
    store, path = tables.location.artifacts(), f"column_lineage/{'/'.join(table.path)}.json"
    made_from = fingerprint(recipe=recipe.made_from({"": None})[""], method=reached_code(observe).fingerprint)
    stored = _read(store, path, made_from)
    known = stored or _FOUND.get(made_from)
    if experiment and _shows_more(experiment, known):
        try:
            known = _tried(experiment, known, made_from)
        except ColumnLineageError as error:
            context.log.warning(f"{'/'.join(table.path)}: {error}")
    if known is None:
        return {}
    if known is not stored:
        store.write(path, known.model_dump_json().encode())
    return told(known.lineage.values, known.lineage.rows)


def told(values: Mapping[str, Sequence[Column]], rows: Sequence[Column] = ()) -> dict[str, Any]:
    """Metadata that says what each column, and which rows there are, follow from."""
    deps = {
        name: [dg.TableColumnDep(dg.AssetKey(each.table.split("/")), each.name) for each in above]
        for name, above in values.items()
    }
    by_table: dict[str, list[str]] = {}
    for each in rows:
        by_table.setdefault(each.table, []).append(each.name)
    records = [
        dg.TableRecord({"column": name, "from": ", ".join(f"{each.table}.{each.name}" for each in above)})
        for name, above in values.items()
    ]
    schema = dg.TableSchema([dg.TableColumn("column"), dg.TableColumn("from")])
    return {
        COLUMN_LINEAGE: dg.TableColumnLineage(deps),
        COLUMNS_FOLLOW_FROM: dg.MetadataValue.table(records, schema),
        **({ROWS_FOLLOW_FROM: dg.MetadataValue.json(by_table)} if by_table else {}),
    }


def _shows_more(experiment: Experiment, known: _Found | None) -> bool:
    rows = min(experiment.rows, SAMPLE_ROWS)
    return rows > 0 and (known is None or rows >= 2 * known.rows)


def _tried(experiment: Experiment, known: _Found | None, made_from: str) -> _Found:
    """What the experiment finds, with what is known.

    Raises:
        ColumnLineageError: the function fails on the sample.
    """
    sample = {name: sampled(frame.collect()) for name, frame in experiment.tables.items()}
    lineage = observe(experiment.function, sample, experiment.key)
    if known is not None:
        lineage = lineage.joined(known.lineage)
    found = _Found(made_from=made_from, rows=min(experiment.rows, SAMPLE_ROWS), lineage=lineage)
    _FOUND[made_from] = found
    return found


def _read(store: ObjectStore, path: str, made_from: str) -> _Found | None:
    try:
        found = _Found.model_validate_json(store.read(path))
    except FileNotFoundError:
        return None
    return found if found.made_from == made_from else None
