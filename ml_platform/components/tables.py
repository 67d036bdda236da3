"""What every table asset carries: key, storage hints, owners and the columns as the UI shows them.

Belongs here: specs. Does not: what is computed.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl

from ml_platform.components.cuts import By
from ml_platform.components.freshness import freshness_policy
from ml_platform.components.use_case import UseCase
from ml_platform.contracts.columns import column_owners, personal_columns, unit_of
from ml_platform.point_in_time.known_at import declared_knowledge
from ml_platform.storage.io_managers import PARTITION_COLUMN, SORT_BY

BACKFILL_IN_ONE_RUN = dg.BackfillPolicy.single_run()


def table_spec(
    use_case: UseCase,
    name: str,
    *,
    description: str,
    contract: type[dy.Schema],
    partition_column: str | None,
    by: By = "day",
    group: str,
    code_version: str | None = None,
    kinds: Sequence[str] = ("polars", "deltalake"),
    fresh_within_hours: float | None = None,
    made_on: dg.AutomationCondition[Any] | None = None,
) -> dg.AssetSpec:
    """Spec of one Delta table: whole if it has no partition column, otherwise cut as `by` says.

    `made_on` says when it is made by itself.
    """
    cut: By = by if partition_column else "whole"
    return dg.AssetSpec(
        use_case.key(name),
        description=description,
        group_name=f"{use_case.name}_{group}",
        kinds=set(kinds),
        owners=use_case.owners,
        code_version=code_version,
        partitions_def=use_case.partitions(cut),
        freshness_policy=freshness_policy(use_case, fresh_within_hours, is_daily=cut == "day"),
        automation_condition=made_on,
        metadata={
            "dagster/column_schema": column_schema(contract),
            "dagster/table_name": f"{use_case.name}/{name}",
            SORT_BY: list(contract.primary_key()),
            **({PARTITION_COLUMN: partition_column} if partition_column else {}),
        },
    )


def column_schema(contract: type[dy.Schema]) -> dg.TableSchema:
    """Columns of a contract: type, whether null is allowed; unit, owner, personal data and known-at as tags."""
    key = set(contract.primary_key())
    columns = [
        dg.TableColumn(
            name=name,
            type=type_name(column.dtype),
            description=column.description,
            constraints=dg.TableColumnConstraints(
                nullable=column.nullable, other=["primary key"] if name in key else []
            ),
            tags=column_tags(contract, name),
        )
        for name, column in contract.columns().items()
    ]
    return dg.TableSchema(columns=columns)


def column_tags(contract: type[dy.Schema], name: str) -> dict[str, str]:
    """What is declared of one column, by tag; a tag that would say nothing is left out."""
    known = declared_knowledge(contract).get(name)
    tags = {
        "unit": unit_of(name, contract.columns()[name].dtype),
        "known_at": str(known) if known else "",
        "owner": column_owners(contract).get(name, ""),
        "personal": personal_columns(contract).get(name, ""),
    }
    return {tag: told for tag, told in tags.items() if told}


def type_name(dtype: pl.DataType) -> str:
    """A type as people say it: `Datetime, UTC` where polars writes `Datetime(time_unit='us', time_zone='UTC')`."""
    if isinstance(dtype, pl.Datetime):
        return f"Datetime, {dtype.time_zone}" if dtype.time_zone else "Datetime"
    return str(dtype)
