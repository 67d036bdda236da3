"""Settings: the only reader of the environment.

Every value has a default that works on one machine; `ML_PLATFORM_<NAME>` overrides it. Secrets are `SecretStr`, so that
no repr, log line or error message shows them. Nothing is created and nothing is contacted here.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parents[1]


class Settings(BaseSettings):
    """Where things live and how much of the machine may be used."""

    model_config = SettingsConfigDict(env_prefix="ML_PLATFORM_", frozen=True, extra="forbid")

    home: Path = Field(PROJECT_ROOT / ".ml_platform", description="Folder of all local state; `make clean` removes it.")
    data_uri: str = Field("", description="Prefix of the tables, `file://` or `s3://`; `<home>/lake` unless set.")
    landing_uri: str = Field("", description="Prefix where upstreams drop objects; `<home>/landing` unless set.")
    artifact_uri: str = Field(
        "", description="Prefix of models, checkpoints and reports; `<home>/artifacts` unless set."
    )
    mlflow_tracking_uri: str = Field("", description="MLflow store; a SQLite file in `home` unless set.")

    s3_endpoint_url: str | None = Field(None, description="Endpoint of an S3-compatible server; AWS itself when unset.")
    s3_access_key_id: SecretStr | None = Field(None, description="S3 access key id.")
    s3_secret_access_key: SecretStr | None = Field(None, description="S3 secret access key.")
    s3_region: str = Field("us-east-1", description="S3 region.")

    max_parallel_steps: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, description="Isolated steps of one run that may run at once."
    )

    @model_validator(mode="after")
    def fill_in_locations(self) -> Self:
        """Place what was not set explicitly below `home`."""
        home = self.home.resolve()
        defaults = {
            "data_uri": f"file://{home}/lake",
            "landing_uri": f"file://{home}/landing",
            "artifact_uri": f"file://{home}/artifacts",
            "mlflow_tracking_uri": f"sqlite:///{home}/mlflow/mlflow.db",
        }
        for name, value in defaults.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)  # the model is frozen for everyone else
        return self

    @cached_property
    def delta_options(self) -> dict[str, str]:
        """Credentials in the form that deltalake and polars take; empty for local files."""
        if not self.data_uri.startswith("s3://"):
            return {}
        options = {"aws_region": self.s3_region, "aws_virtual_hosted_style_request": "false"}
        if self.s3_endpoint_url:
            options["aws_endpoint_url"] = self.s3_endpoint_url
            options["aws_allow_http"] = str(self.s3_endpoint_url.startswith("http://")).lower()
        if self.s3_access_key_id and self.s3_secret_access_key:
            options["aws_access_key_id"] = self.s3_access_key_id.get_secret_value()
            options["aws_secret_access_key"] = self.s3_secret_access_key.get_secret_value()
        return options

    def fsspec_options(self, uri: str) -> dict[str, object]:
        """Credentials in the form that fsspec takes for `uri`; empty for local files."""
        if not uri.startswith("s3://"):
            return {}
        return {
            "key": self.s3_access_key_id.get_secret_value() if self.s3_access_key_id else None,
            "secret": self.s3_secret_access_key.get_secret_value() if self.s3_secret_access_key else None,
            "client_kwargs": {"region_name": self.s3_region, "endpoint_url": self.s3_endpoint_url},
        }
