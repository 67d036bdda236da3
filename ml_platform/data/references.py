"""Every `module:name` of a data pipeline held against what it has to be, before any asset is made of it.

Belongs here: contracts that are contracts, functions that take what they are given. Does not: tables that refer to each
other (`pipeline`), or finding the module (`components`).
"""

import inspect
from collections.abc import Iterator
from typing import Any

import dataframely as dy

from ml_platform.components.use_case import UseCase
from ml_platform.contracts.columns import personal_columns
from ml_platform.data.component import CleanedTable, DataPipeline, DerivedTable, FeatureTable
from ml_platform.errors import DefinitionError
from ml_platform.point_in_time.known_at import knowledge


def require_fitting(pipeline: DataPipeline, use_case: UseCase) -> None:
    """Pass if each contract is a schema, each function a function, and each history says when it becomes known.

    Raises:
        DefinitionError: one is not; told are the table, the field, what it names and what is expected.
    """
    where = f"use_cases/{use_case.name}/data/defs.yaml"
    for table, contract in _contracts(pipeline):
        found = use_case.resolve(contract)
        if not (isinstance(found, type) and issubclass(found, dy.Schema)):
            raise _not_a(table, contract, found, "a contract: a subclass of dataframely.Schema", where)
    for made in pipeline.made:
        _require_partition_that_may_be_shown(made, use_case.resolve(made.contract), where)
    for table, function in _functions(pipeline):
        found = use_case.resolve(function)
        if not inspect.isfunction(found):
            raise _not_a(table, function, found, "a function", where)
    contracts = {table.name: use_case.resolve(table.contract) for table in pipeline.made}
    for features in pipeline.features:
        for name in (features.rows, *(history.table for history in features.inputs)):
            knowledge(contracts[name])
        _require_parameters(features, use_case.resolve(features.function), where)


def _contracts(pipeline: DataPipeline) -> Iterator[tuple[str, str]]:
    yield from ((table.name, table.contract) for table in (*pipeline.landed, *pipeline.made))


def _functions(pipeline: DataPipeline) -> Iterator[tuple[str, str]]:
    yield from ((table.name, table.function) for table in pipeline.made)
    yield from ((table.name, table.prediction_at) for table in pipeline.features)
    yield from ((table.name, table.fetch.function) for table in pipeline.landed if table.fetch)


def _require_parameters(table: FeatureTable, function: Any, where: str) -> None:
    taken = list(inspect.signature(function).parameters)[1:]
    given = [history.parameter for history in table.inputs]
    if sorted(taken) != sorted(given):
        raise DefinitionError(
            f"{where}: '{table.name}' does not give {table.function} the histories that it takes",
            expected=f"inputs for {', '.join(taken) or 'none'}",
            got=", ".join(given) or "none",
            remedy="Correct `inputs`, or the function's parameters after the first, which is the rows",
        )


def _require_partition_that_may_be_shown(
    table: CleanedTable | DerivedTable | FeatureTable, contract: type[dy.Schema], where: str
) -> None:
    """Partition keys stand in every run, event and path."""
    if table.partition_column in personal_columns(contract):
        raise DefinitionError(
            f"{where}: '{table.name}' is partitioned by '{table.partition_column}', which {contract.__name__} declares "
            "personal; its values would stand in every run, event and path",
            expected="a column that leads to nobody, such as a day",
            remedy="Choose another partition_column",
        )


def _not_a(table: str, reference: str, found: object, expected: str, where: str) -> DefinitionError:
    kind = f"the {'class' if isinstance(found, type) else type(found).__name__} {reference.partition(':')[2]}"
    return DefinitionError(f"{where}: '{reference}' of table '{table}' cannot be used", expected=expected, got=kind)
