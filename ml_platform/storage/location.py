"""Where tables and objects are, as the configuration that every resource of this package is given."""

import dagster as dg
from pydantic import Field

from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.pins import Pins
from ml_platform.storage.tables import TableStore

RESUME_RETRY_TAG = "dagster/is_resume_retry"
ROOT_RUN_TAG = "dagster/root_run_id"


class StorageLocation(dg.Config):
    """The prefixes of tables, landing zone and artifacts, and how to reach them."""

    data_uri: str = Field(description="Prefix of the tables.")
    landing_uri: str = Field(description="Prefix where upstreams drop objects.")
    artifact_uri: str = Field(description="Prefix of models, checkpoints, reports, records and pins.")
    s3_endpoint_url: str | None = Field(None, description="Endpoint of an S3-compatible server; AWS itself when unset.")
    s3_region: str = Field("us-east-1", description="S3 region.")
    s3_access_key_id: str | None = Field(None, description="S3 access key id, as an EnvVar.")
    s3_secret_access_key: str | None = Field(None, description="S3 secret access key, as an EnvVar.")

    @classmethod
    def of(cls, settings: Settings) -> "StorageLocation":
        """The location that `settings` names; the UI shows the names of its secrets and never their values."""
        return cls(
            data_uri=settings.data_uri,
            landing_uri=settings.landing_uri,
            artifact_uri=settings.artifact_uri,
            s3_endpoint_url=settings.s3_endpoint_url,
            s3_region=settings.s3_region,
            s3_access_key_id=dg.EnvVar("ML_PLATFORM_S3_ACCESS_KEY_ID") if settings.s3_access_key_id else None,
            s3_secret_access_key=dg.EnvVar("ML_PLATFORM_S3_SECRET_ACCESS_KEY")
            if settings.s3_secret_access_key
            else None,
        )

    def tables(self) -> TableStore:
        """The tables."""
        return TableStore.from_settings(self._settings())

    def landing(self) -> ObjectStore:
        """The landing zone."""
        return ObjectStore(self.landing_uri, self._settings().fsspec_options(self.landing_uri))

    def artifacts(self) -> ObjectStore:
        """The artifacts."""
        return ObjectStore(self.artifact_uri, self._settings().fsspec_options(self.artifact_uri))

    def pins(self, run: dg.DagsterRun) -> Pins:
        """The pins of a run; a retry from failure goes on with those of the run that it retries."""
        resumes = run.tags.get(RESUME_RETRY_TAG) == "true"
        run_id = run.tags.get(ROOT_RUN_TAG, run.run_id) if resumes else run.run_id
        return Pins(self.artifacts(), self.tables(), run_id)

    def _settings(self) -> Settings:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return Settings(**{name: value for name, value in values.items() if value is not None})
