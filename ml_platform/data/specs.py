"""Specs of the tables that a data pipeline makes from other tables.

Belongs here: what a declaration says, as an asset spec. Does not: landed tables and quarantines, which say less.
"""

import dagster as dg

from ml_platform.components.changes import on_changed_inputs
from ml_platform.components.cuts import By
from ml_platform.components.reuse import Recipe
from ml_platform.components.tables import table_spec
from ml_platform.components.use_case import UseCase
from ml_platform.data.component import CleanedTable, DerivedTable, FeatureTable


def declared_spec(
    use_case: UseCase, table: CleanedTable | DerivedTable | FeatureTable, group: str, recipe: Recipe, by: By
) -> dg.AssetSpec:
    """Spec of one declared table, in `group` of its use case, cut as `by` says and made by `recipe`.

    It is made again when its inputs changed.
    """
    return table_spec(
        use_case,
        table.name,
        description=table.description,
        contract=use_case.resolve(table.contract),
        partition_column=table.partition_column,
        by=by,
        group=group,
        fresh_within_hours=table.fresh_within_hours,
        code_version=recipe.code_version,
        made_on=on_changed_inputs([use_case.key(name) for name in _bridged(table)]),
    )


def _bridged(table: CleanedTable | DerivedTable | FeatureTable) -> set[str]:
    """The inputs of which a day that is not published is made up for; not the one that has the rows themselves."""
    if not isinstance(table, FeatureTable):
        return set()
    return {history.table for history in table.inputs if history.last_known_within_days} - {table.rows}
