"""What holds for every test: Hypothesis looks for wrong answers, not for slow ones, since machines are shared."""

import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from ml_platform.local_servers.object_server import ObjectServer, object_server
from ml_platform.local_servers.postgres import Postgres, make_database, postgres
from ml_platform.settings import Settings
from ml_platform_tests.places import BUCKET, KINDS, READER, WRITER, local_settings, s3_settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# a shell that starts the tests in the background has them ignore SIGINT, and `nohup` SIGHUP; Dagster would make SIGTERM
# the same
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """A real S3 server, one for each worker that needs it; prefixes keep tests apart."""
    with object_server(tmp_path_factory.mktemp("s3"), [WRITER, READER], bucket=BUCKET) as server:
        yield server


@pytest.fixture(scope="session")
def database_server() -> Iterator[Postgres]:
    """A real PostgreSQL server, one for each worker that needs it; databases keep tests apart."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # of root, the server may have to run as somebody else
        with postgres(Path(folder), []) as server:
            yield server


@pytest.fixture
def database_url(database_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty database, which the settings name."""
    name = f"test_{uuid.uuid4().hex}"
    make_database(database_server, name)
    monkeypatch.setenv("ML_PLATFORM_DATABASE_URL", database_server.url(name))
    return database_server.url(name)


@pytest.fixture(params=KINDS)
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an empty platform, once on local files and once on S3."""
    if request.param == "local":
        return local_settings(tmp_path)
    return s3_settings(tmp_path, request.getfixturevalue("s3"))
