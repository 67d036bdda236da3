"""What every table asset of the data location carries: key, storage hints, owners and the columns' descriptions."""

from collections.abc import Sequence

import dagster as dg
import dataframely as dy

from ml_platform.components.use_case import UseCase
from ml_platform.storage.io_managers import PARTITION_COLUMN, SORT_BY

BACKFILL_IN_ONE_RUN = dg.BackfillPolicy.single_run()


def table_spec(
    use_case: UseCase,
    name: str,
    *,
    description: str,
    contract: type[dy.Schema],
    partition_column: str | None,
    group: str,
    code_version: str,
    kinds: Sequence[str] = ("polars", "deltalake"),
) -> dg.AssetSpec:
    """Spec of one Delta table with its contract's columns as the schema that the UI shows."""
    return dg.AssetSpec(
        use_case.key(name),
        description=description,
        group_name=f"{use_case.name}_{group}",
        kinds=set(kinds),
        owners=use_case.owners,
        code_version=code_version,
        partitions_def=use_case.by_day if partition_column else None,
        metadata={
            "dagster/column_schema": column_schema(contract),
            "dagster/table_name": f"{use_case.name}/{name}",
            SORT_BY: list(contract.primary_key()),
            **({PARTITION_COLUMN: partition_column} if partition_column else {}),
        },
    )


def column_schema(contract: type[dy.Schema]) -> dg.TableSchema:
    """Columns of a contract: type, whether null is allowed, and what its metadata says in words."""
    key = set(contract.primary_key())
    columns = [
        dg.TableColumn(
            name=name,
            type=str(column.dtype),
            description=column.description,
            constraints=dg.TableColumnConstraints(
                nullable=column.nullable, other=["primary key"] if name in key else []
            ),
        )
        for name, column in contract.columns().items()
    ]
    return dg.TableSchema(columns=columns)
