"""The source that a landed table declares."""

from typing import Any

from ml_platform.components.use_case import UseCase
from ml_platform.data.component import LandedTable
from ml_platform.data.source_function import FetchedRows
from ml_platform.data.source_objects import LandingObjects
from ml_platform.data.source_query import QueriedRows
from ml_platform.data.sources import Source
from ml_platform.storage.location import StorageLocation


def source_of(use_case: UseCase, table: LandedTable, location: StorageLocation) -> Source:
    """Where the rows of `table` come from; nothing is asked for yet."""
    if table.query:
        url = location.settings.secret(table.query.url_from)
        return QueriedRows(table.query, url, table.path_of, use_case.resolve(table.contract))
    if table.fetch:
        return FetchedRows(use_case.resolve(table.fetch.function), table.path_of, table.by)
    return LandingObjects(location.landing(), table.origin)


def code_of_source(use_case: UseCase, table: LandedTable) -> tuple[Any, ...]:
    """The use case's own code that the rows follow from; none for objects and queries."""
    return (use_case.resolve(table.fetch.function),) if table.fetch else ()
