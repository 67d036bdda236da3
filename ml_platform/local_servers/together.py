"""All servers of the profile `server` on this machine, shared by the commands that use them at once.

Belongs here: which there are, and what whoever uses them is told. Does not: each server, or Dagster's own processes.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from ml_platform.local_servers.mlflow_server import shared_mlflow_server
from ml_platform.local_servers.postgres import shared_postgres
from ml_platform.local_servers.rabbitmq import is_installed, rabbitmq, url_of
from ml_platform.local_servers.shared import shared
from ml_platform.local_servers.shared_object_server import Access, shared_object_server
from ml_platform.local_servers.workers import worker
from ml_platform.settings import Settings

HISTORY, TRACKING = "dagster", "mlflow"
"""Databases of the server."""
WORKERS = ("one", "two")


@contextmanager
def all_servers(home: Settings) -> Iterator[dict[str, str]]:
    """What the processes of the platform are told of the servers, which run as long as the block.

    Without RabbitMQ there are no workers, and steps are processes of the machine of their run.

    Raises:
        LocalServerError: one did not come up; its log says why.
    """
    servers = home.home / "servers"
    with ExitStack() as stack:
        access = stack.enter_context(shared_object_server(servers / "s3"))
        database = stack.enter_context(shared_postgres(servers / "postgres", [HISTORY, TRACKING]))
        told = {**environment(home, access), "ML_PLATFORM_DATABASE_URL": database.url(HISTORY)}
        artifacts, tracking = f"s3://{access.bucket}/mlflow", database.url(TRACKING)
        told |= stack.enter_context(shared_mlflow_server(servers / "mlflow", tracking, artifacts, told))
        if is_installed():
            folder = servers / "rabbitmq"
            broker = stack.enter_context(shared(folder, partial(rabbitmq, folder)))
            told["ML_PLATFORM_CELERY_BROKER_URL"] = url_of(folder, broker)
            for name in WORKERS:
                stack.enter_context(_shared_worker(servers / "workers" / name, told))
        yield told


def environment(home: Settings, access: Access) -> dict[str, str]:
    """The platform's settings for storage on the server, and the same for MLflow's own commands."""
    prefix = f"s3://{access.bucket}"
    keys = {"ACCESS_KEY_ID": access.identity.access_key_id, "SECRET_ACCESS_KEY": access.identity.secret_access_key}
    return {
        "ML_PLATFORM_HOME": str(home.home.resolve()),
        "ML_PLATFORM_DATA_URI": f"{prefix}/tables",
        "ML_PLATFORM_LANDING_URI": f"{prefix}/landing",
        "ML_PLATFORM_ARTIFACT_URI": f"{prefix}/artifacts",
        "ML_PLATFORM_EXPORT_URI": f"{prefix}/exports",
        "ML_PLATFORM_S3_ENDPOINT_URL": access.endpoint_url,
        "ML_PLATFORM_S3_REGION": home.s3_region,
        "MLFLOW_S3_ENDPOINT_URL": access.endpoint_url,
        "AWS_DEFAULT_REGION": home.s3_region,
        **{f"ML_PLATFORM_S3_{name}": value for name, value in keys.items()},
        **{f"AWS_{name}": value for name, value in keys.items()},
    }


@contextmanager
def _shared_worker(folder: Path, told: dict[str, str]) -> Iterator[None]:
    with shared(folder, partial(worker, folder, dict(told))):
        yield
