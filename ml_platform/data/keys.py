"""The keys of one use case: found in the landing zone, added as partitions, taken away by a person.

Belongs here: what the landing sensor does of itself, by hand. Does not: which keys are to be built (`arrivals`).
"""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import dagster as dg

from ml_platform.components.use_case import UseCase
from ml_platform.data.arrivals import Zone, landed_keys, look
from ml_platform.data.component import DataPipeline
from ml_platform.data.partitioning import landed_by
from ml_platform.errors import LandingError, UnknownAssetError
from ml_platform.storage.location import StorageLocation


class KeyState(NamedTuple):
    """One key: the paths of its objects, whether it is a partition, and the raw tables that have it."""

    key: str
    objects: tuple[str, ...]
    is_partition: bool
    published: tuple[str, ...]


class Keys:
    """The keys of the tables by `{key}` of one use case, which has at least one."""

    def __init__(
        self, location: StorageLocation, instance: dg.DagsterInstance, use_case: UseCase, of: DataPipeline
    ) -> None:
        """Nothing is looked at yet.

        Raises:
            DefinitionError: the use case does not say what its keys are.
        """
        self._location, self._instance, self._use_case = location, instance, use_case
        self._tables, self._partitions = landed_by(of, "key"), use_case.by_key

    def states(self) -> list[KeyState]:
        """Every key that landed, is a partition or is published, by name."""
        zone, known = self._zone(), set(self._known())
        tables = {
            each.name: self._location.tables().published(f"{self._use_case.name}/{each.name}") for each in self._tables
        }
        keys = known.union(landed_keys(zone), *tables.values())
        return [
            KeyState(
                key,
                tuple(info.path for of in zone.objects.values() for info in of.get(key, ())),
                key in known,
                tuple(name for name, published in tables.items() if key in published),
            )
            for key in sorted(keys)
        ]

    def discover(self) -> list[str]:
        """Add each key that landed as a partition; those that were not there before, by name."""
        known = set(self._known())
        new = [key for key in landed_keys(self._zone()) if key not in known]
        if new:
            self._instance.add_dynamic_partitions(str(self._partitions.name), new)
        return new

    def remove(self, key: str) -> None:
        """Take the partition away from Dagster; what tables have of it stands, and is in their history.

        Raises:
            UnknownAssetError: there is no such partition.
            LandingError: its objects are still in the landing zone, from where it would be added again.
        """
        if key not in self._known():
            what = f"'{key}' is none of the {self._use_case.keys} of {self._use_case.name}"
            raise UnknownAssetError(what, remedy=f"`ml-platform keys list {self._use_case.name}` has them")
        if objects := [info.path for of in self._zone().objects.values() for info in of.get(key, ())]:
            raise LandingError(
                f"{', '.join(objects)} is still in the landing zone, from where '{key}' would be added again",
                kept="The partition stands",
                remedy="Have the upstream take the object away first",
            )
        self._instance.delete_dynamic_partition(str(self._partitions.name), key)

    def _known(self) -> Sequence[str]:
        return self._partitions.get_partition_keys(dynamic_partitions_store=self._instance)

    def _zone(self) -> Zone:
        return look(self._location, self._use_case.name, self._tables, dt.datetime.now(dt.UTC))
