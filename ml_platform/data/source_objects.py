"""Landing objects as a source: one object a partition, or all whose paths fit, in the order of their paths.

Belongs here: which objects are a partition's, and their bytes. Does not: which arrived since (`arrivals`).
"""

from collections.abc import Mapping, Sequence

from ml_platform.components.cuts import By
from ml_platform.data.landing_paths import cut_by, folder_of, place_in
from ml_platform.data.sources import KEPT, Part
from ml_platform.errors import LandingObjectMissingError
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.objects import ObjectInfo, ObjectStore

_WITHOUT_OBJECT: Mapping[By, str] = {
    "day": "Have the upstream land it, or declare in defs.yaml that it has none for that day (days_without_object)",
    "key": "Have the upstream land it, or leave its key out; `ml-platform keys remove` takes one away that is no more",
    "whole": "Have the upstream land it",
}


class LandingObjects:
    """The objects of one table in the landing zone; each folder is listed once."""

    def __init__(self, landing: ObjectStore, pattern: str) -> None:
        """Nothing is looked at yet; `pattern` is the path as the table declares it."""
        self._landing, self._pattern = landing, pattern
        self._listed: dict[str, Sequence[ObjectInfo]] = {}

    def take(self, partition: str) -> tuple[Part, ...]:
        """The objects of one partition.

        Raises:
            LandingObjectMissingError: there is none.
        """
        path = self._pattern.format(day=partition, key=partition)
        try:
            paths = self._paths(partition) if "*" in self._pattern else [path]
            parts = tuple(Part(each, self._landing.read(each)) for each in paths)
        except FileNotFoundError:
            raise missing_object(self._landing.uri_of(path), cut_by(self._pattern)) from None
        if not parts:
            raise missing_object(self._landing.uri_of(path), cut_by(self._pattern))
        return parts

    def _paths(self, partition: str) -> list[str]:
        folder = folder_of(self._pattern, partition)
        if folder not in self._listed:
            self._listed[folder] = self._landing.list(folder)
        return [info.path for info in self._listed[folder] if place_in(self._pattern, info.path) == partition]


def objects_by_partition(landing: ObjectStore, pattern: str) -> dict[str, tuple[ObjectInfo, ...]]:
    """The objects whose paths fit the pattern, by what stands in the place of the day or key, whatever it is."""
    if cut_by(pattern) == "whole" and "*" not in pattern:
        try:
            return {UNPARTITIONED: (landing.info(pattern),)}
        except FileNotFoundError:
            return {}
    found: dict[str, tuple[ObjectInfo, ...]] = {}
    for info in landing.list(folder_of(pattern)):
        if (place := place_in(pattern, info.path)) is not None:
            found[place] = (*found.get(place, ()), info)
    return found


def missing_object(name: str, by: By) -> LandingObjectMissingError:
    """The error for an object that should be in the landing zone and is not."""
    return LandingObjectMissingError(f"{name} is not in the landing zone", kept=KEPT, remedy=_WITHOUT_OBJECT[by])
