"""MLflow's artifacts on S3, with the credentials of the settings that the tracking was made from.

Belongs here: how MLflow reaches S3. Does not: what it keeps there. MLflow reads credentials from the environment of the
process and nowhere else; here they stay out of it, and two stores of one process may have different ones.
"""

import os
from functools import cache
from typing import Any

from ml_platform.settings import Settings

_ATTEMPTS = 5
_KNOWN: dict[str, Settings] = {}


def reach_artifacts_with(settings: Settings) -> None:
    """Let artifacts below the platform's artifact prefix be read and written as `settings` say."""
    if settings.artifact_uri.startswith("s3://"):
        _KNOWN[settings.artifact_uri.rstrip("/")] = settings


def install() -> None:
    """Make MLflow, which is imported by now, ask here for what is on S3."""
    from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

    class PlatformS3ArtifactRepository(S3ArtifactRepository):
        """MLflow's own, with another client."""

        def _get_s3_client(self) -> Any:
            settings = _settings_of(self.artifact_uri)
            if settings is None:
                return super()._get_s3_client()  # type: ignore[no-untyped-call]
            return _client(settings, os.getpid())

    _artifact_repository_registry.register("s3", PlatformS3ArtifactRepository)  # type: ignore[no-untyped-call]


def _settings_of(uri: str) -> Settings | None:
    """The settings whose artifact prefix is the longest that `uri` is below; None below none of them."""
    known = [prefix for prefix in _KNOWN if uri.startswith(f"{prefix}/")]
    return _KNOWN[max(known, key=len)] if known else None


@cache
def _client(settings: Settings, _process: int) -> Any:
    import boto3
    from botocore.config import Config

    options: dict[str, Any] = settings.fsspec_options(settings.artifact_uri)
    patience = {**options["config_kwargs"], "retries": {"total_max_attempts": _ATTEMPTS, "mode": "standard"}}
    return boto3.client(
        "s3",
        aws_access_key_id=options["key"],
        aws_secret_access_key=options["secret"],
        config=Config(**patience),
        **options["client_kwargs"],
    )
