"""Where tables and objects are, as every resource of this package is told."""

from dataclasses import dataclass, field
from typing import Self

import dagster as dg

from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.pins import Pins
from ml_platform.storage.tables import TableStore

RESUME_RETRY_TAG = "dagster/is_resume_retry"
ROOT_RUN_TAG = "dagster/root_run_id"


@dataclass(frozen=True)
class StorageLocation:
    """The stores that `settings` name.

    A resource takes it as `dg.ResourceDependency[StorageLocation]`: it is an object of the process, credentials and
    all, and no part of a configuration that Dagster would keep or show.
    """

    settings: Settings = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The location that `settings` name."""
        return cls(settings)

    @property
    def data_uri(self) -> str:
        """Prefix of the tables."""
        return self.settings.data_uri

    def tables(self) -> TableStore:
        """The tables."""
        return TableStore.from_settings(self.settings)

    def landing(self) -> ObjectStore:
        """The landing zone, where upstreams drop objects."""
        return self.objects(self.settings.landing_uri)

    def exports(self) -> ObjectStore:
        """What leaves the platform as objects."""
        return self.objects(self.settings.export_uri)

    def artifacts(self) -> ObjectStore:
        """The artifacts: models, checkpoints, reports, records and pins."""
        return self.objects(self.settings.artifact_uri)

    def pins(self, run: dg.DagsterRun) -> Pins:
        """The pins of a run; a retry from failure goes on with those of the run that it retries."""
        resumes = run.tags.get(RESUME_RETRY_TAG) == "true"
        run_id = run.tags.get(ROOT_RUN_TAG, run.run_id) if resumes else run.run_id
        return Pins(self.artifacts(), self.tables(), run_id)

    def objects(self, uri: str) -> ObjectStore:
        """What is below a prefix, with the credentials of the settings."""
        return ObjectStore(uri, self.settings.fsspec_options(uri))
