"""Pins: the version of each table that one run reads, decided once, whatever is published meanwhile."""

from dataclasses import dataclass

from ml_platform.errors import TableNotFoundError
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore


@dataclass(frozen=True)
class Pins:
    """The pins of the run `run_id`, one small object for each table, so that the parallel steps of a run agree."""

    objects: ObjectStore
    tables: TableStore
    run_id: str

    def pin(self, table: str) -> int:
        """The version of `table` that this run reads: the newest when it is first asked for, the same ever after.

        Raises:
            TableNotFoundError: the table was never published.
        """
        path = self._path(table)
        if not self.objects.exists(path):
            newest = self.tables.version(table)
            if newest is None:
                raise TableNotFoundError(
                    f"Table {table} was never published at {self.tables.uri}.", remedy=f"Materialize {table} first."
                )
            self.objects.create_exclusive(path, str(newest).encode())
        return int(self.objects.read(path))

    def repin(self, table: str, version: int) -> None:
        """Let this run read `version` from now on: what it published itself."""
        self.objects.write(self._path(table), str(version).encode())

    def pins(self) -> dict[str, int]:
        """Version by table, of every table that this run read or wrote."""
        found = self.objects.list(self._prefix)
        return {info.path.removeprefix(f"{self._prefix}/"): int(self.objects.read(info.path)) for info in found}

    @property
    def _prefix(self) -> str:
        return f"pins/{self.run_id}"

    def _path(self, table: str) -> str:
        return f"{self._prefix}/{table}"
