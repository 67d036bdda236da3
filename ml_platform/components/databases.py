"""A database that the environment names: connected when something is asked of it, and told of without its secrets.

    with Database("SHOP_URL", settings.secret("SHOP_URL")).transaction("orders 2013-07-04") as connection:
        connection.execute(...)

What a driver says may quote the URL, so it is told with the secrets masked, and never as the cause of what is raised.

Belongs here: connections, and what their failures mean. Does not: statements.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import SecretStr

from ml_platform.contracts.columns import without_values
from ml_platform.errors import (
    DatabaseError,
    DatabaseRefusedError,
    DatabaseUnreachableError,
    SettingsError,
    StorageFullError,
)
from ml_platform.recovery.error_classes import classify

if TYPE_CHECKING:
    import sqlalchemy as sa

MASK = "***"
_STANDS = "What was published before stands"


class Database:
    """One database, by the environment variable that holds its URL."""

    def __init__(self, variable: str, url: SecretStr | None, *, shows_values: bool = True) -> None:
        """Nothing is contacted yet. Errors quote values only if the rows have no personal columns (`shows_values`)."""
        self._variable, self._secret, self._shows_values = variable, url, shows_values

    @property
    def name(self) -> str:
        """What lineage calls it: the variable, since the URL is shown nowhere."""
        return f"sql://{self._variable}"

    @contextmanager
    def transaction(self, what: str, *, keeps: bool = False) -> Iterator["sa.Connection"]:
        """A connection for the block, whose transaction is committed at its end if it `keeps` what was done.

        Raises:
            SettingsError: the variable has no value, or none that SQLAlchemy can connect with.
            DatabaseUnreachableError: nobody answers, or the database is busy.
            DatabaseRefusedError: it does not accept the credentials or a statement.
            StorageFullError: it has no space left.
        """
        from sqlalchemy.exc import SQLAlchemyError

        engine = self._engine
        try:
            with engine.connect() as connection:
                yield connection
                if keeps:
                    connection.commit()
        except SQLAlchemyError as error:
            raise self._explained(what, error) from None

    @cached_property
    def _url(self) -> "sa.URL":
        import sqlalchemy as sa

        if self._secret is None:
            raise self._unusable("has no value")
        try:
            return sa.make_url(self._secret.get_secret_value())
        except (sa.exc.ArgumentError, ValueError):
            raise self._unusable("is no URL of a database") from None

    @cached_property
    def _engine(self) -> "sa.Engine":
        import sqlalchemy as sa

        url = self._url
        try:
            return sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)
        except (sa.exc.ArgumentError, ImportError):
            raise self._unusable(f"asks for the driver '{url.drivername}', which is not installed") from None

    def _unusable(self, what: str) -> SettingsError:
        return SettingsError(
            f"The environment variable {self._variable} {what}",
            expected="a URL as SQLAlchemy takes it, such as postgresql+psycopg2://user:password@host/name",
            kept=_STANDS,
            remedy="Set it where runs are started, and install the driver that it names",
        )

    def _explained(self, what: str, error: Exception) -> DatabaseError | StorageFullError:
        text = self._told(getattr(error, "orig", None) or error)
        database = f"the database of {self._variable}"
        match classify(error).error_class:
            case "transient" | "throttled":
                remedy = (
                    "It is tried again; if it goes on, look whether the database is up and can be reached from here"
                )
                return DatabaseUnreachableError(
                    f"{what}: {database} does not answer", got=text, kept=_STANDS, remedy=remedy
                )
            case "resource":
                return StorageFullError(f"{what}: {database} has no space left", got=text, kept=_STANDS)
        remedy = f"Correct the statement, or the credentials in {self._variable}"
        return DatabaseRefusedError(f"{what}: {database} refuses it", got=text, kept=_STANDS, remedy=remedy)

    def _told(self, error: BaseException) -> str:
        """What the driver said: its type and first line, without secrets."""
        line = str(error).partition("\n")[0]
        if not self._shows_values:
            line = without_values(Exception(line))
        secrets = [str(self._url.password or ""), self._secret.get_secret_value() if self._secret else ""]
        for secret in filter(None, secrets):
            line = line.replace(secret, MASK)
        return f"{type(error).__name__}: {line}"
