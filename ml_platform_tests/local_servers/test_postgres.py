"""A real PostgreSQL server: asks for a password, keeps its data, and survives being killed."""

import os
import signal
import stat
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest

from ml_platform.errors import LocalServerError
from ml_platform.local_servers.postgres import Postgres, postgres, shared_postgres


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "postgres"


def execute(server: Postgres, statement: str) -> list[tuple[object, ...]]:
    dsn = server.url("things").replace("+psycopg2", "")
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def test_its_data_outlive_it_and_its_password_stays_the_same(folder: Path) -> None:
    with postgres(folder, ["things"]) as first:
        execute(first, "CREATE TABLE t AS SELECT 1 AS x")
    with postgres(folder, ["things"]) as second:
        assert execute(second, "SELECT x FROM t") == [(1,)]
    assert second.password == first.password
    assert not psutil.pid_exists(second.process_id)


def test_nobody_comes_in_without_the_password_and_nobody_else_can_read_it(folder: Path) -> None:
    with postgres(folder, ["things"]) as server:
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            execute(server._replace(password="wrong"), "SELECT 1")
        assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600


def test_a_killed_server_has_lost_nothing_that_was_committed(folder: Path) -> None:
    with postgres(folder, ["things"]) as server:
        execute(server, "CREATE TABLE t AS SELECT 1 AS x")
        os.kill(server.process_id, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(server.process_id)], timeout=10)
    with postgres(folder, ["things"]) as server:
        assert execute(server, "SELECT x FROM t") == [(1,)]


def test_those_who_come_while_it_runs_use_the_same_server(folder: Path) -> None:
    with shared_postgres(folder, ["things"]) as first, shared_postgres(folder, ["things"]) as second:
        assert second == first


def test_a_server_that_cannot_start_says_where_to_look(folder: Path) -> None:
    with (
        postgres(folder, ["things"]) as server,
        pytest.raises(LocalServerError, match=r"server\.log"),
        postgres(folder, ["things"], port=server.port),
    ):
        pass
