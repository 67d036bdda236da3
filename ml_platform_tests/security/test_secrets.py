"""No secret is in a file, a log, an event, an answer or an error, after all was done and after all of it failed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg2
import pytest
from psycopg2 import sql
from pydantic import SecretStr

from ml_platform.local_servers.object_server import Identity, ObjectServer, object_server
from ml_platform.local_servers.ports import free_ports
from ml_platform.local_servers.postgres import Postgres, make_database
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform_tests.data.shop import URL_FROM
from ml_platform_tests.places import WRITER
from ml_platform_tests.security import canaries
from ml_platform_tests.security.canaries import found_below, found_in, login

HISTORY, SHOP = "canary_history", "canary_shop"
PLATFORM = Identity("canary", canaries.OBJECTS_KEY, canaries.OBJECTS_SECRET, WRITER.actions)
ROWS_AS_TEXT = "SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {} AS t"


class Done(NamedTuple):
    """What a process left that did all it could, and all of it in vain: its home, its output, and what is elsewhere."""

    home: Path
    printed: bytes
    elsewhere: dict[str, bytes]


def connected(server: Postgres, database: str) -> psycopg2.extensions.connection:
    """As its owner."""
    return psycopg2.connect(server.url(database).replace("+psycopg2", ""))


def rows_of(server: Postgres, database: str) -> bytes:
    """Everything that stands in the tables of a database, as text."""
    with connected(server, database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [name for (name,) in cursor.fetchall()]
        for name in list(rows):
            cursor.execute(sql.SQL(ROWS_AS_TEXT).format(sql.Identifier(name)))
            rows.append(str((cursor.fetchone() or ("",))[0]))
    return "\n".join(rows).encode()


def objects_of(server: ObjectServer) -> Iterator[tuple[str, bytes]]:
    """Name and content of everything in the bucket."""
    settings = Settings(
        s3_endpoint_url=server.endpoint_url,
        s3_access_key_id=SecretStr(PLATFORM.access_key_id),
        s3_secret_access_key=SecretStr(PLATFORM.secret_access_key),
    )
    store = ObjectStore(f"s3://{server.bucket}", settings.fsspec_options("s3://"))
    return ((info.path, store.read(info.path)) for info in store.list(""))


@pytest.fixture(scope="module")
def shop_url(database_server: Postgres) -> str:
    """The address of a database whose user has a canary for a password."""
    with connected(database_server, "postgres") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE canary LOGIN SUPERUSER PASSWORD %s", [canaries.DATABASE])
    for name in (HISTORY, SHOP):
        make_database(database_server, name)
    return f"postgresql+psycopg2://{login(canaries.DATABASE, f'127.0.0.1:{database_server.port}')}/{SHOP}"


@pytest.fixture(scope="module")
def done(database_server: Postgres, shop_url: str, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Everything is done in a process of its own."""
    home = tmp_path_factory.mktemp("done") / "home"
    with object_server(tmp_path_factory.mktemp("objects"), [PLATFORM]) as server:
        answers = {
            **{f"ML_PLATFORM_{name}_URI": f"s3://lake/{name.lower()}" for name in ("DATA", "LANDING", "ARTIFACT")},
            "ML_PLATFORM_EXPORT_URI": "s3://lake/export",
            "ML_PLATFORM_S3_ENDPOINT_URL": server.endpoint_url,
            "ML_PLATFORM_S3_ACCESS_KEY_ID": canaries.OBJECTS_KEY,
            "ML_PLATFORM_S3_SECRET_ACCESS_KEY": canaries.OBJECTS_SECRET,
            "ML_PLATFORM_DATABASE_URL": shop_url.replace(SHOP, HISTORY),
            URL_FROM: shop_url,
        }
        refuses = {
            "ML_PLATFORM_S3_ACCESS_KEY_ID": canaries.REFUSED_KEY,
            "ML_PLATFORM_S3_SECRET_ACCESS_KEY": canaries.REFUSED_SECRET,
            "ML_PLATFORM_MLFLOW_TRACKING_URI": f"http://{login(canaries.TRACKING, f'127.0.0.1:{free_ports(1)[0]}')}",
            URL_FROM: f"postgresql+psycopg2://{login(canaries.REFUSED, f'127.0.0.1:{database_server.port}')}/{SHOP}",
        }
        ended = subprocess.run(
            [sys.executable, "-m", "ml_platform_tests.security.everything"],
            env={**os.environ, **canaries.environment(home, answers, refuses)},
            cwd=PROJECT_ROOT,
            capture_output=True,
            check=False,
        )
        kept = dict(objects_of(server)) | {name: rows_of(database_server, name) for name in (HISTORY, SHOP)}
    assert ended.returncode == 0, ended.stderr[-3000:].decode()
    return Done(home, ended.stdout + ended.stderr, kept)


def test_no_secret_is_printed_or_shown(done: Done) -> None:
    assert found_in("output", done.printed) == []


def test_no_secret_is_in_a_file_of_the_home(done: Done) -> None:
    assert found_below(done.home) == []


def test_no_secret_is_in_an_object_or_a_row(done: Done) -> None:
    assert [line for name, data in done.elsewhere.items() for line in found_in(name, data)] == []


def test_all_was_done_and_all_was_refused(done: Done) -> None:
    assert any(name.endswith(".skops") for name in done.elsewhere)
    assert b"train_toy_delay" in done.elsewhere[HISTORY]
    told = done.printed.decode()
    for what in ("does not know the access key id", "the database of SHOP_TEST_DATABASE_URL refuses it", "no answer"):
        assert what in told
    assert "The MLflow store at http://127.0.0.1" in told
    assert "The database of ML_PLATFORM_DATABASE_URL cannot be used" in told


@pytest.mark.parametrize("form", canaries.forms(canaries.DATABASE))
def test_a_secret_is_found_in_whatever_form_it_is_in(tmp_path: Path, form: bytes) -> None:
    (tmp_path / "file").write_bytes(b"before " + form + b" after")
    assert found_below(tmp_path) != []
