"""What is particular to the tables of serving: their calendar begins with the first model.

Belongs here: specs. Does not: what is computed.
"""

import datetime as dt

import dagster as dg
import dataframely as dy

from ml_platform.components import tables
from ml_platform.components.use_case import UseCase

BACKFILL_IN_ONE_RUN = tables.BACKFILL_IN_ONE_RUN


def days_with_a_model(use_case: UseCase) -> dg.DailyPartitionsDefinition:
    """The days from the first as-of month on: before it there is no model to predict with."""
    end = use_case.last_day + dt.timedelta(days=1) if use_case.last_day else None
    return dg.DailyPartitionsDefinition(
        start_date=use_case.first_as_of_month.isoformat(),
        end_date=end.isoformat() if end else None,
        timezone=use_case.timezone,
    )


def table_spec(
    use_case: UseCase,
    name: str,
    *,
    description: str,
    contract: type[dy.Schema],
    partition_column: str,
    code_version: str,
    fresh_within_hours: float | None = None,
) -> dg.AssetSpec:
    """Spec of one daily Delta table, one partition for each day that has a model."""
    spec = tables.table_spec(
        use_case,
        name,
        description=description,
        contract=contract,
        partition_column=partition_column,
        group="serving",
        code_version=code_version,
        fresh_within_hours=fresh_within_hours,
    )
    return spec.replace_attributes(partitions_def=days_with_a_model(use_case))


def upstream_table(use_case: UseCase, name: str) -> dg.AssetSpec:
    """A daily table of another location, read from storage here."""
    spec = dg.AssetSpec(use_case.key(name), partitions_def=use_case.by_day)
    return spec.with_io_manager_key("tables")
