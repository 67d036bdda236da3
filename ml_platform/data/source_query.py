"""A query as a source: the rows of one partition, by bound values, from any database that SQLAlchemy has a driver for.

The URL comes from the environment and is shown nowhere: errors of drivers are told without it, and not as a cause.

Belongs here: asking a database. Does not: which values a query binds (`query_text`), or what rows mean (`landing`).
"""

import datetime as dt
from collections.abc import Callable

import dataframely as dy
import polars as pl
from pydantic import SecretStr

from ml_platform.components.databases import Database
from ml_platform.contracts.columns import personal_columns
from ml_platform.data.component import Query
from ml_platform.data.query_text import bound_names
from ml_platform.data.sources import KEPT, Part, in_order
from ml_platform.errors import LandingColumnsError


class QueriedRows:
    """The rows that a query gives, whatever their order."""

    def __init__(
        self, query: Query, url: SecretStr | None, name_of: Callable[[str], str], contract: type[dy.Schema]
    ) -> None:
        """Nothing is asked for yet; `name_of` a partition is what lineage calls its rows."""
        self._query, self._name_of = query, name_of
        self._database = Database(query.url_from, url, shows_values=not personal_columns(contract))

    def take(self, partition: str) -> tuple[Part, ...]:
        """All rows of one partition, in a transaction that is rolled back: a query changes nothing.

        Raises:
            SettingsError, DatabaseUnreachableError, DatabaseRefusedError: as `Database.transaction`.
            LandingColumnsError: two columns have one name.
        """
        from sqlalchemy import text

        name = self._name_of(partition)
        with self._database.transaction(name) as connection:
            answer = connection.execute(text(self._query.sql), self._values(partition))
            columns, rows = list(answer.keys()), answer.fetchall()
        if len(set(columns)) < len(columns):
            got = ", ".join(sorted({column for column in columns if columns.count(column) > 1}))
            raise LandingColumnsError(f"{name} names a column twice", got=got, kept=KEPT, remedy="Correct its `sql`")
        data = {column: _series(column, [row[i] for row in rows]) for i, column in enumerate(columns)}
        return (Part(name, in_order(pl.DataFrame(data))),)

    def _values(self, partition: str) -> dict[str, object]:
        names = bound_names(self._query.sql)
        if not names or "key" in names:
            return dict.fromkeys(names, partition)
        day = dt.date.fromisoformat(partition)
        return {name: value for name, value in _days(day).items() if name in names}


def _days(day: dt.date) -> dict[str, dt.date]:
    return {"day": day, "next_day": day + dt.timedelta(days=1)}


def _series(column: str, values: list[object]) -> pl.Series:
    """The values with the type that all of them have; as texts where there are several."""
    try:
        return pl.Series(column, values)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series(column, [None if value is None else str(value) for value in values], dtype=pl.String)
