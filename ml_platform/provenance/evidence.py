"""Where the facts of cards and data sheets are looked up, and the list of what is missing.

Belongs here: access. Does not: what is asked (`card_facts`, `sheet_facts`).
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

from dagster import DagsterInstance

from ml_platform.errors import CardIncompleteError
from ml_platform.provenance.catalog import Catalog, read_catalogs
from ml_platform.provenance.trace_history import RunHistory
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.resource import MlflowTracking


class Evidence(NamedTuple):
    """Declarations, tables, objects, tracking and history of one platform."""

    catalogs: Sequence[Catalog]
    tables: TableStore
    artifacts: ObjectStore
    tracking: MlflowTracking
    instance: DagsterInstance
    history: RunHistory

    @classmethod
    def of(cls, settings: Settings, instance: DagsterInstance) -> Self:
        """All that `settings` place; nothing is opened yet."""
        location = StorageLocation.of(settings)
        tracking = MlflowTracking.from_settings(settings)
        return cls(read_catalogs(), location.tables(), location.artifacts(), tracking, instance, RunHistory(instance))


class Gap(NamedTuple):
    """A field that is missing, and where it is filled in."""

    field: str
    remedy: str


def require_complete(what: str, gaps: Sequence[Gap]) -> None:
    """Pass if nothing is missing.

    Raises:
        CardIncompleteError: naming every field, and where each is filled in.
    """
    if gaps:
        fields = "field is" if len(gaps) == 1 else "fields are"
        raise CardIncompleteError(
            f"{what} was not written: {len(gaps)} {fields} missing: {', '.join(gap.field for gap in gaps)}",
            kept="A page that was written before stands",
            remedy=" ".join(dict.fromkeys(f"{gap.remedy}." for gap in gaps)),
        )
