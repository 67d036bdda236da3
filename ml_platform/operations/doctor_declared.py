"""Whether what the use cases name can be used from here: databases of queries, and where predictions are sent.

Belongs here: one look at each. Does not: what the settings name (`doctor`), or statements of a use case.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple
from uuid import uuid4

from ml_platform.components.databases import Database
from ml_platform.operations.doctor import Finding, tried
from ml_platform.provenance.catalog import Catalog
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.probe import require_store


class Places(NamedTuple):
    """The variables of databases that are read and written, and whether objects are exported."""

    read: frozenset[str]
    written: frozenset[str]
    exports: bool


def examine_declared(settings: Settings, catalogs: Iterable[Catalog]) -> Iterator[Finding]:
    """Each place in turn that a use case names; nothing stays there."""
    places = places_of(catalogs)
    if places.exports:
        yield tried("exports", lambda: require_store(StorageLocation.of(settings).exports()))
    for variable in sorted(places.read | places.written):
        database = Database(variable, settings.secret(variable))
        look = _writable if variable in places.written else _readable
        yield tried(f"database of {variable}", partial(look, database))


def places_of(catalogs: Iterable[Catalog]) -> Places:
    """What all of the use cases name."""
    read, written, exports = set(), set(), False
    for catalog in catalogs:
        read |= {table.query.url_from for table in (catalog.data.landed if catalog.data else ()) if table.query}
        for sink in catalog.deployment.predictions.sinks if catalog.deployment else ():
            written |= {sink.url_from} if sink.url_from else set()
            exports |= bool(sink.path)
    return Places(frozenset(read), frozenset(written), exports)


def _readable(database: Database) -> str:
    """That it lets this user in."""
    import sqlalchemy as sa

    with database.transaction("A look at the connection") as connection:
        connection.execute(sa.select(sa.literal(1)))
        return f"{connection.dialect.name}, which lets this user in"


def _writable(database: Database) -> str:
    """That a table can be made, filled and dropped there, as a sink does; the transaction is not kept."""
    import sqlalchemy as sa

    probe = sa.Table(f"ml_platform_doctor_{uuid4().hex[:8]}", sa.MetaData(), sa.Column("number", sa.Integer))
    with database.transaction("A look at the right to make tables") as connection:
        probe.create(connection)
        connection.execute(sa.insert(probe), [{"number": 1}])
        connection.execute(sa.delete(probe))
        probe.drop(connection)
        return f"{connection.dialect.name}, where this user may make tables"
