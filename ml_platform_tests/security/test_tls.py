"""Connections by TLS: a server whose certificate is not vouched for gets neither a password nor an object."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from ml_platform.local_servers.object_server import ObjectServer
from ml_platform.local_servers.postgres import Postgres
from ml_platform.operations.doctor import Finding, examine
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform_tests.execution.instances import materialization, materialized, server_instance
from ml_platform_tests.places import s3_settings
from ml_platform_tests.security.certificates import Certificates, made

USE_IT = """
from ml_platform.settings import Settings
from ml_platform.storage.probe import require_storage
require_storage(Settings())
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return made(tmp_path_factory.mktemp("certificates"))


@contextmanager
def ended_before(port: int, certificates: Certificates, *protocol: str) -> Iterator[int]:
    """The port of what ends TLS before the server at `port`."""
    files = map(str, (certificates.certificate, certificates.key))
    command = [sys.executable, "-m", "ml_platform_tests.security.tls_relay", str(port), *files, *protocol]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=PROJECT_ROOT
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.terminate()


@pytest.fixture
def encrypted_url(database_url: str, database_server: Postgres, certificates: Certificates) -> Iterator[str]:
    """The address of an empty database behind that certificate; the authority is still to be named."""
    with ended_before(database_server.port, certificates, "postgresql") as port:
        yield f"{database_url.replace(str(database_server.port), str(port))}?sslmode=verify-full&sslrootcert="


def history(url: str, home: Path) -> Finding:
    """What the doctor finds of the history at this address."""
    settings = Settings(home=home, database_url=SecretStr(url))
    return next(each for each in examine(settings) if each.part == "history of runs")


def test_the_history_is_kept_on_a_server_that_its_authority_vouches_for(
    encrypted_url: str, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{encrypted_url}{certificates.authority}"
    monkeypatch.setenv("ML_PLATFORM_DATABASE_URL", url)
    with server_instance(tmp_path) as instance:
        instance.report_runless_asset_event(materialization("2013-01-01"))
        assert materialized(instance) == ["2013-01-01"]
    found = history(url, tmp_path)
    assert (found.state, "by TLS" in found.what) == ("fine", True)


def test_a_server_of_another_authority_is_told_and_not_used(encrypted_url: str, tmp_path: Path) -> None:
    found = history(f"{encrypted_url}{made(tmp_path).authority}", tmp_path)
    assert (found.state, "SSL error" in found.what) == ("wrong", True)


def test_a_server_without_tls_is_not_used_where_it_is_asked_for(database_url: str, tmp_path: Path) -> None:
    found = history(f"{database_url}?sslmode=require", tmp_path)
    assert (found.state, "does not support SSL" in found.what) == ("wrong", True)
    assert "without TLS" in history(database_url, tmp_path).what


@pytest.fixture
def s3_by_tls(s3: ObjectServer, certificates: Certificates) -> Iterator[str]:
    """The address of what ends TLS before the object store, as a load balancer does."""
    with ended_before(urlsplit(s3.endpoint_url).port or 0, certificates) as port:
        yield f"https://127.0.0.1:{port}"


@pytest.mark.parametrize("is_trusted", [True, False])
def test_an_object_store_is_used_by_all_clients_only_if_its_authority_is_trusted(
    s3: ObjectServer, s3_by_tls: str, certificates: Certificates, tmp_path: Path, is_trusted: bool
) -> None:
    trust = {"AWS_CA_BUNDLE": str(certificates.authority), "SSL_CERT_FILE": str(certificates.authority)}
    told = variables(s3_settings(tmp_path, s3, endpoint_url=s3_by_tls))
    environment = {**os.environ, **told, **(trust if is_trusted else {})}
    done = subprocess.run([sys.executable, "-c", USE_IT], env=environment, capture_output=True, check=False)
    assert (done.returncode == 0) is is_trusted
    assert is_trusted or b"StorageUnreachableError" in done.stderr


def variables(settings: Settings) -> dict[str, str]:
    """The environment that says the same."""
    names = ("home", "data_uri", "landing_uri", "artifact_uri", "s3_endpoint_url")
    keys = {"s3_access_key_id": settings.s3_access_key_id, "s3_secret_access_key": settings.s3_secret_access_key}
    told = {name: str(getattr(settings, name)) for name in names} | {"s3_retry_seconds": "0"}
    told |= {name: key.get_secret_value() for name, key in keys.items() if key}
    return {f"ML_PLATFORM_{name.upper()}": value for name, value in told.items()}
