"""The data sheet of a table, gathered from declarations, the table's log, its rows and Dagster's history.

Belongs here: which fact is found where. Does not: the page (`pages`).
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import polars as pl

from ml_platform.provenance.card_data import refused_by_rule
from ml_platform.provenance.catalog import Catalog, Table, catalog_of
from ml_platform.provenance.contract_facts import ColumnFact, column_facts, grain
from ml_platform.provenance.evidence import Evidence, Gap, require_complete
from ml_platform.provenance.sheet import CheckResult, ColumnSheet, DataSheet, MonthRows, Origin
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.retention import RetentionPolicy
from ml_platform.storage.tables import PartitionState, TableStore


def data_sheet(evidence: Evidence, name: str) -> DataSheet:
    """The sheet of the newest version of the table `name`.

    Raises:
        UnknownAssetError: no use case declares the table.
        TableNotFoundError: it was never published.
        CardIncompleteError: a field is missing; each is named with the place where it is filled in.
    """
    catalog = catalog_of(evidence.catalogs, name)
    table, tables = catalog.tables[name], evidence.tables
    owners = tuple(catalog.use_case.owners)
    columns, origins = column_facts(table.contract, owners), tuple(_origins(catalog, table))
    require_complete(f"The data sheet of {name}", [*_undeclared(catalog, table, columns)])
    newest = tables.history(name)[0]
    states = tables.partitions(name, newest.version)
    filled = [key for key, state in states.items() if state.rows and table.by == "day"]
    refused, checks = _refused(tables, table), tuple(_checks(evidence, name, max(states, default=UNPARTITIONED)))
    return DataSheet(
        table=name,
        kind=table.kind,
        description=table.description,
        grain=grain(table.contract),
        owners=owners,
        origins=origins,
        made_from=table.made_from,
        read_by=tuple(catalog.readers(name)),
        version=newest.version,
        published_at=newest.committed_at,
        partitions=len(states),
        first=min(filled, default=""),
        last=max(filled, default=""),
        rows=sum(state.rows for state in states.values()),
        empty_days=tuple(key for key, state in states.items() if not state.rows and key != UNPARTITIONED)
        if table.kind != "quarantine"
        else (),
        months=_months(states) if table.by == "day" else (),
        columns=_missing(tables.scan(name, version=newest.version), columns),
        checks=checks,
        quarantine=table.quarantine,
        refused=refused.select(pl.len()).collect().item(),
        refused_by_rule=refused_by_rule(refused, table),
        leaves_out=table.leaves_out,
        retention=_retention(RetentionPolicy(), _pinning(catalog, name)),
        up_to=max([newest.committed_at, *(check.at for check in checks)]),
    )


def _undeclared(catalog: Catalog, table: Table, columns: Sequence[ColumnFact]) -> Iterator[Gap]:
    where = f"Give it a description in contract {table.contract.__name__}"
    yield from (Gap(f"column {column.name}.description", where) for column in columns if not column.description)
    if not grain(table.contract):
        yield Gap("grain", f"Give contract {table.contract.__name__} a docstring that says what one row is")
    for origin in (each for each in catalog.upstream([table.name]) if each.kind == "raw"):
        place = f"Fill it in for {origin.name} in {origin.declared_in}"
        told = {"source": origin.source, "licence": origin.licence}
        yield from (Gap(f"{field} of {origin.name}", place) for field, text in told.items() if not text)


def _origins(catalog: Catalog, table: Table) -> Iterator[Origin]:
    for each in catalog.upstream([table.name]):
        if each.kind == "raw":
            yield Origin(table=each.name, landing=each.landing, source=each.source, licence=each.licence)


def _missing(rows: pl.LazyFrame, columns: Sequence[ColumnFact]) -> tuple[ColumnSheet, ...]:
    present = rows.collect_schema().names()
    nulls = rows.select(pl.all().null_count()).collect()
    counted = {name: int(nulls[name].item()) for name in present}
    return tuple(ColumnSheet(column=column, missing=counted.get(column.name, 0)) for column in columns)


def _months(states: Mapping[str, PartitionState]) -> tuple[MonthRows, ...]:
    counted: Counter[str] = Counter()
    for key, state in states.items():
        counted[key[:7]] += state.rows
    return tuple(MonthRows(month=month, rows=rows) for month, rows in sorted(counted.items()))


def _refused(tables: TableStore, table: Table) -> pl.LazyFrame:
    """The quarantine of the table; that of one without, or with nothing ever refused, has no rows."""
    if table.quarantine and tables.version(table.quarantine) is not None:
        return tables.scan(table.quarantine).select("broken_rules")
    return pl.LazyFrame(schema={"broken_rules": pl.String})


def _checks(evidence: Evidence, name: str, partition: str) -> Iterator[CheckResult]:
    """The newest result of each check that the newest run of the table executed."""
    key = dg.AssetKey(name.split("/"))
    made = next(iter(evidence.history.made(name, [partition])), None)
    for check in evidence.history.checks(made.run_id, name) if made else ():
        record = evidence.instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(key, check.name))
        event = record.event.dagster_event if record and record.event else None
        if record is None or event is None:
            continue
        found = event.asset_check_evaluation_data
        yield CheckResult(
            name=check.name,
            passed=found.passed,
            told=found.description or ", ".join(f"{value:,} {name}" for name, value in check.counts.items()),
            at=dt.datetime.fromtimestamp(record.create_timestamp, dt.UTC),
            run_id=record.run_id,
        )


def _pinning(catalog: Catalog, name: str) -> list[str]:
    return [reader for reader in catalog.readers(name) if reader.startswith("model ")]


def _retention(policy: RetentionPolicy, pinning: Sequence[str]) -> str:
    told = (
        f"A version stays readable for at least {policy.keep_days} days after a newer one replaced it; "
        f"the last {policy.keep_versions} always do."
    )
    pins = f" Versions that {', '.join(pinning)} was trained from stay as long as it is registered."
    return told + (pins if pinning else "")
