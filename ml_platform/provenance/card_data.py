"""What a model was made from, counted: windows, refused rows, and rows that were left out, as things stood then.

Belongs here: counting rows for a card. Does not: what else a card says (`card_facts`).
"""

import datetime as dt
from collections.abc import Iterator

import polars as pl

from ml_platform.provenance.card import DataFact, Exclusion, QuarantineFact, WindowFact
from ml_platform.provenance.catalog import DeclaredModel, Table
from ml_platform.provenance.contract_facts import RuleCount, rule_meaning
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.tables import TableStore
from ml_platform.training.evaluation import Evaluation
from ml_platform.training.records import TrainedModel
from ml_platform.training.splits import WindowName

ONE_DAY = dt.timedelta(days=1)
PURPOSES: dict[WindowName, str] = {
    "search": "settings were tried on it",
    "validation": "settings were ranked on it",
    "fit": "the model was fitted on it; search and validation are parts of it",
    "holdout": "the gate decided on it; nothing before had read it",
    "test": "scores of the as-of month itself; nothing was decided on it",
}


def data_fact(tables: TableStore, declared: DeclaredModel, model: TrainedModel, test: Evaluation | None) -> DataFact:
    """What the model was made from."""
    catalog, before = declared.catalog, model.as_of.isoformat()
    features, labels = model.inputs.features, model.inputs.labels
    published = _days(tables, features.table, features.version, before)
    labelled = sum(_days(tables, labels.table, labels.version, before).values())
    days = [dt.date.fromisoformat(day) for day, rows in published.items() if rows]
    at = _published_at(tables, model)
    upstream = catalog.upstream([features.table, labels.table])
    refused = (_quarantined(tables, table, before, at) for table in upstream if table.quarantine)
    return DataFact(
        first_day=min(days),
        last_day=max(days),
        rows=sum(published.values()),
        labelled_rows=labelled,
        windows=tuple(_windows(model, min(days), test)),
        quarantined=tuple(refused),
        exclusions=tuple(_exclusions(declared, model, sum(published.values()), labelled)),
    )


def refused_by_rule(refused: pl.LazyFrame, table: Table) -> tuple[RuleCount, ...]:
    """Rows of a quarantine by the rule of `table` that refused them, the most first."""
    rules = refused.select(rule=pl.col("broken_rules").str.split(", ")).explode("rule")
    counted = rules.group_by("rule").len().sort("len", "rule", descending=[True, False]).collect()
    return tuple(
        RuleCount(rule=rule, meaning=rule_meaning(table.contract, rule), rows=rows)
        for rule, rows in counted.iter_rows()
    )


def _windows(model: TrainedModel, first: dt.date, test: Evaluation | None) -> Iterator[WindowFact]:
    bounds = model.windows
    days: dict[WindowName, tuple[dt.date, dt.date]] = {
        "search": (first, bounds.validation_start),
        "validation": (bounds.validation_start, bounds.holdout_start),
        "fit": (first, bounds.holdout_start),
        "holdout": (bounds.holdout_start, bounds.test_start),
    }
    rows = dict(model.rows)
    if test is not None:
        days["test"], rows["test"] = (bounds.test_start, bounds.test_end), test.rows
    for name, (start, end) in days.items():
        purpose = PURPOSES[name]
        yield WindowFact(name=name, purpose=purpose, first_day=start, last_day=end - ONE_DAY, rows=rows[name])


def _exclusions(declared: DeclaredModel, model: TrainedModel, rows: int, labelled: int) -> Iterator[Exclusion]:
    labels = declared.catalog.tables[model.inputs.labels.table]
    if rows > labelled:
        why = labels.leaves_out or "They have no label."
        yield Exclusion(rows=rows - labelled, of=model.inputs.features.table, why=why)
    degraded = model.inputs.labels
    if degraded.left_out_rows:
        days = f"{len(degraded.left_out_days)} days, {degraded.left_out_days[0]} to {degraded.left_out_days[-1]}"
        why = f"They are of days ({days}) that were degraded when the model was made, and were left out."
        yield Exclusion(rows=degraded.left_out_rows, of=degraded.table, why=why)
    if late := labelled - degraded.left_out_rows - model.rows["fit"] - model.rows["holdout"]:
        why = "Their label became known only after the window that they are of, so it could not have been learnt from."
        yield Exclusion(rows=late, of=model.inputs.labels.table, why=why)


def _quarantined(tables: TableStore, table: Table, before: str, at: dt.datetime) -> QuarantineFact:
    """Refused rows of the table by then, of the days before the as-of month."""
    published = _days(tables, table.name, version_at(tables, table.name, at), before)
    version = version_at(tables, table.quarantine, at)
    refused = _days(tables, table.quarantine, version, before)
    found = tables.scan(table.quarantine, version=version, partitions=list(refused) or None)
    rows = sum(refused.values())
    return QuarantineFact(
        table=table.name,
        rows_in=sum(published.values()) + rows,
        rows=rows,
        by_rule=refused_by_rule(found, table) if rows else (),
    )


def _published_at(tables: TableStore, model: TrainedModel) -> dt.datetime:
    """When the later of the two tables that the model read was published."""
    read = (model.inputs.features, model.inputs.labels)
    commits = [commit for each in read for commit in tables.history(each.table) if commit.version == each.version]
    return max((commit.committed_at for commit in commits), default=dt.datetime.now(dt.UTC))


def version_at(tables: TableStore, table: str, at: dt.datetime) -> int:
    """The version that was the newest at the instant, the first one before there was any."""
    history = tables.history(table)
    return next((commit.version for commit in history if commit.committed_at <= at), history[-1].version)


def _days(tables: TableStore, name: str, version: int, before: str) -> dict[str, int]:
    """Rows by day, of the days before `before`; all rows of a table without days."""
    states = tables.partitions(name, version)
    return {key: state.rows for key, state in states.items() if key == UNPARTITIONED or key < before}
