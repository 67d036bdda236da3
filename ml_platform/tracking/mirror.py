"""MLflow's registry as the mirror of the logs: aliases, tags, and a note of each log's last entry.

Belongs here: what the platform reads and writes of MLflow's registry once a version is made. Does not: decisions.

A SQLite store is spoken to in SQL, in milliseconds: MLflow's client costs five seconds of imports, too many for a
rollback. Any other store is spoken to through the client.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from ml_platform.errors import RegistryUnreachableError
from ml_platform.tracking.registry_log import Head
from ml_platform.tracking.standing import ALIASES

SQLITE = "sqlite:///"
HEAD_TAG = "registry_log_head"
_BUSY_SECONDS = 60.0
_PAGE = 1000


class MirroredVersion(NamedTuple):
    """A version as MLflow has it."""

    version: int
    run_id: str
    tags: dict[str, str]


class Shown(NamedTuple):
    """What MLflow is to show of a model."""

    head: Head
    aliases: Mapping[str, int]
    tags: Mapping[int, Mapping[str, str]]


class Mirror(Protocol):
    """MLflow's registry."""

    def names(self) -> list[str]:
        """Every registered model, sorted."""
        ...

    def versions(self, name: str) -> list[MirroredVersion]:
        """Every version of a model, oldest first; none for an unknown name."""
        ...

    def head(self, name: str) -> Head | None:
        """The last entry of the model's log that was noted; null before the first."""
        ...

    def show(self, name: str, shown: Shown) -> None:
        """Write all of `shown`, unless a later entry was noted already."""
        ...


def mirror_of(tracking_uri: str) -> Mirror:
    """The registry of the store at `tracking_uri`."""
    if tracking_uri.startswith(SQLITE):
        return SqliteMirror(Path(tracking_uri.removeprefix(SQLITE)))
    return ClientMirror(tracking_uri)


class SqliteMirror:
    """The registry in a SQLite store, in MLflow's own tables; a file that is not there yet is an empty registry."""

    def __init__(self, path: Path) -> None:
        """Use the store in the file `path`; nothing is opened yet."""
        self._path = path

    def names(self) -> list[str]:
        """Every registered model, sorted."""
        return [str(name) for (name,) in self._rows("SELECT name FROM registered_models ORDER BY name")]

    def versions(self, name: str) -> list[MirroredVersion]:
        """Every version of a model, oldest first; none for an unknown name."""
        tags: dict[int, dict[str, str]] = {}
        for version, key, value in self._rows(
            "SELECT version, key, value FROM model_version_tags WHERE name = ?", name
        ):
            tags.setdefault(int(str(version)), {})[str(key)] = str(value)
        rows = self._rows(
            "SELECT version, run_id FROM model_versions"
            " WHERE name = ? AND current_stage != 'Deleted_Internal' ORDER BY version",
            name,
        )
        return [MirroredVersion(int(str(v)), str(run or ""), tags.get(int(str(v)), {})) for v, run in rows]

    def head(self, name: str) -> Head | None:
        """The last entry of the model's log that was noted; null before the first."""
        sql = "SELECT value FROM registered_model_tags WHERE name = ? AND key = ?"
        found = [str(value) for (value,) in self._rows(sql, name, HEAD_TAG)]
        return Head.parse(found[0]) if found else None

    def show(self, name: str, shown: Shown) -> None:
        """Write all of `shown` in one transaction, unless a later entry was noted already."""
        aliases = [(alias, version, name) for alias, version in shown.aliases.items()]
        tags = [(key, value, name, version) for version, each in shown.tags.items() for key, value in each.items()]
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            noted = self._noted(connection, name)
            if noted is not None and noted.sequence > shown.head.sequence:
                return
            ours = [(name, alias) for alias in ALIASES]
            connection.executemany("DELETE FROM registered_model_aliases WHERE name = ? AND alias = ?", ours)
            connection.executemany(
                "INSERT INTO registered_model_aliases (alias, version, name) VALUES (?, ?, ?)", aliases
            )
            connection.executemany(
                "INSERT OR REPLACE INTO model_version_tags (key, value, name, version) VALUES (?, ?, ?, ?)", tags
            )
            connection.execute(
                "INSERT OR REPLACE INTO registered_model_tags (key, value, name) VALUES (?, ?, ?)",
                (HEAD_TAG, str(shown.head), name),
            )
            now = int(time.time() * 1000)
            connection.execute("UPDATE registered_models SET last_updated_time = ? WHERE name = ?", (now, name))

    def _noted(self, connection: sqlite3.Connection, name: str) -> Head | None:
        sql = "SELECT value FROM registered_model_tags WHERE name = ? AND key = ?"
        row = connection.execute(sql, (name, HEAD_TAG)).fetchone()
        return Head.parse(row[0]) if row else None

    def _rows(self, sql: str, *values: str) -> list[tuple[object, ...]]:
        if not self._path.exists():
            return []
        with self._connection() as connection:
            has_registry = "SELECT 1 FROM sqlite_master WHERE name = 'registered_model_tags'"
            if connection.execute(has_registry).fetchone() is None:
                return []
            return connection.execute(sql, values).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that commits at the end of the block, or rolls back if it fails.

        Raises:
            RegistryUnreachableError: the file is no database, is locked for too long, or cannot be written.
        """
        try:
            connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)
            try:
                with connection:
                    yield connection
            finally:
                connection.close()
        except sqlite3.DatabaseError as error:
            raise RegistryUnreachableError(
                f"The registry in {self._path} cannot be used",
                expected="MLflow's SQLite database",
                got=str(error),
                remedy="Check the file, its permissions and the free space; ML_PLATFORM_MLFLOW_TRACKING_URI places it.",
            ) from error


class ClientMirror:
    """The registry behind MLflow's client."""

    def __init__(self, tracking_uri: str) -> None:
        """Use the store at `tracking_uri`; nothing is imported or contacted yet."""
        self._uri = tracking_uri

    def names(self) -> list[str]:
        """Every registered model, sorted."""
        from ml_platform.tracking._client import client

        page = client(self._uri).search_registered_models(max_results=_PAGE)
        names = [each.name for each in page]
        while page.token:
            page = client(self._uri).search_registered_models(max_results=_PAGE, page_token=page.token)
            names.extend(each.name for each in page)
        return sorted(names)

    def versions(self, name: str) -> list[MirroredVersion]:
        """Every version of a model, oldest first; none for an unknown name."""
        from ml_platform.tracking._client import client

        wanted = f"name = '{name}'"
        page = client(self._uri).search_model_versions(wanted, max_results=_PAGE)
        found = list(page)
        while page.token:
            page = client(self._uri).search_model_versions(wanted, max_results=_PAGE, page_token=page.token)
            found.extend(page)
        return sorted(MirroredVersion(int(each.version), each.run_id or "", dict(each.tags)) for each in found)

    def head(self, name: str) -> Head | None:
        """The last entry of the model's log that was noted; null before the first."""
        from ml_platform.tracking._client import client

        found = client(self._uri).search_registered_models(f"name = '{name}'")
        text = found[0].tags.get(HEAD_TAG) if found else None
        return Head.parse(text) if text else None

    def show(self, name: str, shown: Shown) -> None:
        """Write what differs of `shown`, the note of the head last, unless a later entry was noted already."""
        from ml_platform.tracking._client import client, exclusively

        store = client(self._uri)
        with exclusively(self._uri):
            noted = self.head(name)
            if noted is not None and noted.sequence > shown.head.sequence:
                return
            for each in self.versions(name):
                for key, value in shown.tags.get(each.version, {}).items():
                    if each.tags.get(key) != value:
                        store.set_model_version_tag(name, str(each.version), key, value)
            aliases = store.get_registered_model(name).aliases
            for alias in (aliases.keys() & set(ALIASES)) - shown.aliases.keys():
                store.delete_registered_model_alias(name, alias)
            for alias, version in shown.aliases.items():
                if str(aliases.get(alias)) != str(version):
                    store.set_registered_model_alias(name, alias, str(version))
            store.set_registered_model_tag(name, HEAD_TAG, str(shown.head))
