"""Snapshots: the exact table versions that a run read, and the content that these had."""

from typing import NamedTuple

from ml_platform.lineage.fingerprints import fingerprint
from ml_platform.storage.pins import Pins


class Snapshot(NamedTuple):
    """Version and content root by table, as one run saw them."""

    run_id: str
    versions: dict[str, int]
    content_roots: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """Sha256 (hex) of the content, whatever the versions are called: the same data gives the same fingerprint."""
        return fingerprint(**self.content_roots)


def snapshot_of(pins: Pins) -> Snapshot:
    """What the run behind `pins` has read or written so far.

    Raises:
        TableNotFoundError: a pinned version is gone.
    """
    versions = pins.pins()
    roots = {table: pins.tables.content_root(table, version=version) for table, version in versions.items()}
    return Snapshot(pins.run_id, versions, roots)
