"""Memory of what each published partition was made from, so that the same work is not done twice.

An entry counts only while the table holds exactly the content that was made, so a lost or stale entry costs a
computation and never a wrong result.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import PartitionState


class Made(NamedTuple):
    """How one partition came to be: the fingerprint of what it follows from, its content, and what was told of it."""

    made_from: str
    content_hash: str
    told: Mapping[str, Any]


@dataclass(frozen=True)
class Memo:
    """The entries of one table, in one object."""

    objects: ObjectStore
    table: str

    def reusable(
        self, made_from: Mapping[str, str], published: Mapping[str, PartitionState]
    ) -> dict[str, Mapping[str, Any]]:
        """What was told of each partition that is published as `made_from` would make it again."""
        entries = self.entries()
        return {
            partition: entry.told
            for partition, wanted in made_from.items()
            if (entry := entries.get(partition))
            and (state := published.get(partition))
            and (entry.made_from, entry.content_hash) == (wanted, state.content_hash)
        }

    def standing(self, published: Mapping[str, PartitionState]) -> dict[str, Mapping[str, Any]]:
        """What was told of each partition when what is published of it was made, whatever it was made from."""
        entries = self.entries()
        return {
            partition: entry.told
            for partition, state in published.items()
            if (entry := entries.get(partition)) and entry.content_hash == state.content_hash
        }

    def record(self, made: Mapping[str, Made]) -> None:
        """Remember `made`; of two writers at once the later keeps its entries."""
        if made:
            entries = {**self.entries(), **made}
            self.objects.write(self._path, json.dumps(entries, sort_keys=True).encode())

    def entries(self) -> dict[str, Made]:
        """What is remembered of each partition; the table may hold something else by now."""
        try:
            stored = self.objects.read(self._path)
        except FileNotFoundError:
            return {}
        return {partition: Made(*entry) for partition, entry in json.loads(stored).items()}

    @property
    def _path(self) -> str:
        return f"memo/{self.table}.json"
