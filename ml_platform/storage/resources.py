"""The resources of storage: one dictionary for every environment, only its values differ."""

from typing import Literal

import dagster as dg
from pydantic import Field

from ml_platform.settings import Settings
from ml_platform.storage.io_managers import DeltaTableIOManager, RecordIOManager
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.step_outputs import StepOutputs


class ObjectStoreResource(dg.ConfigurableResource[ObjectStore]):
    """Gives assets and sensors the `ObjectStore` of the landing zone or of the artifacts."""

    location: dg.ResourceDependency[StorageLocation]
    zone: Literal["landing", "artifacts"] = Field(description="Which of the two.")

    def create_resource(self, context: dg.InitResourceContext) -> ObjectStore:
        """The store itself."""
        return self.location.landing() if self.zone == "landing" else self.location.artifacts()


def storage_resources(settings: Settings) -> dict[str, object]:
    """`tables` and `records` (IO managers), `landing` and `artifacts` (an `ObjectStore` each).

    Where artifacts are on S3, `io_manager` too, by which steps hand over the rest; otherwise it is Dagster's, on files.
    """
    location = StorageLocation.of(settings)
    on_s3 = {"io_manager": StepOutputs(location=location)} if settings.artifact_uri.startswith("s3://") else {}
    return {
        **on_s3,
        "tables": DeltaTableIOManager(location=location),
        "records": RecordIOManager(location=location),
        "landing": ObjectStoreResource(location=location, zone="landing"),
        "artifacts": ObjectStoreResource(location=location, zone="artifacts"),
    }
