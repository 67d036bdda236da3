"""What the table assets of serving carry: key, storage hints, owners and the columns' descriptions.

Belongs here: specs. Does not: what is computed.
"""

import datetime as dt

import dagster as dg
import dataframely as dy

from ml_platform.components.use_case import UseCase
from ml_platform.storage.io_managers import PARTITION_COLUMN, SORT_BY

BACKFILL_IN_ONE_RUN = dg.BackfillPolicy.single_run()


def days_with_a_model(use_case: UseCase) -> dg.DailyPartitionsDefinition:
    """The days from the first as-of month on: before it there is no model to predict with."""
    end = use_case.last_day + dt.timedelta(days=1) if use_case.last_day else None
    return dg.DailyPartitionsDefinition(
        start_date=use_case.first_as_of_month.isoformat(),
        end_date=end.isoformat() if end else None,
        timezone=use_case.timezone,
    )


def table_spec(
    use_case: UseCase, name: str, *, description: str, contract: type[dy.Schema], partition_column: str
) -> dg.AssetSpec:
    """Spec of one daily Delta table with its contract's columns as the schema that the UI shows."""
    return dg.AssetSpec(
        use_case.key(name),
        description=description,
        group_name=f"{use_case.name}_serving",
        kinds={"polars", "deltalake"},
        owners=use_case.owners,
        partitions_def=days_with_a_model(use_case),
        metadata={
            "dagster/column_schema": column_schema(contract),
            "dagster/table_name": f"{use_case.name}/{name}",
            PARTITION_COLUMN: partition_column,
            SORT_BY: list(contract.primary_key()),
        },
    )


def upstream_table(use_case: UseCase, name: str) -> dg.AssetSpec:
    """A daily table of another location, read from storage here."""
    spec = dg.AssetSpec(use_case.key(name), partitions_def=use_case.by_day)
    return spec.with_io_manager_key("tables")


def column_schema(contract: type[dy.Schema]) -> dg.TableSchema:
    """Columns of a contract: type, description, and whether null is allowed."""
    columns = [
        dg.TableColumn(
            name=name,
            type=str(column.dtype),
            description=column.description,
            constraints=dg.TableColumnConstraints(
                nullable=column.nullable, other=["primary key"] if column.primary_key else []
            ),
        )
        for name, column in contract.columns().items()
    ]
    return dg.TableSchema(columns=columns)
