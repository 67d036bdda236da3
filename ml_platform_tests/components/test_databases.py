"""A database of the team that is a real Postgres: its types, its refusals, and what happens when it goes away."""

import datetime as dt
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from ml_platform.components.databases import Database
from ml_platform.errors import DatabaseRefusedError, DatabaseUnreachableError
from ml_platform.local_servers.ports import free_ports
from ml_platform.local_servers.postgres import Postgres, make_database
from ml_platform.serving.sinks import TableSink
from ml_platform_tests.data.shop import DAY, URL_FROM, Shop, orders

SQL = "SELECT * FROM orders WHERE placed_at >= :day AND placed_at < :next_day"
CREATE = """
CREATE TABLE orders (placed_on date, number integer, amount numeric(9, 2), is_paid boolean, note text,
                     placed_at timestamptz)
"""


@pytest.fixture
def url(database_server: Postgres) -> str:
    """The address of an empty database."""
    make_database(database_server, name := f"test_{uuid.uuid4().hex}")
    return database_server.url(name)


def database(url: str) -> Database:
    return Database("URL", SecretStr(url))


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with database(url).transaction("test") as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def test_rows_of_postgres_come_typed_as_the_contract_says(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database(url).transaction("test", keeps=True) as connection:
        connection.execute(sa.text(CREATE))
        insert = sa.text("INSERT INTO orders VALUES (:placed_on, :number, :amount, :is_paid, :note, :placed_at)")
        connection.execute(insert, orders(DAY).to_dicts())
    with dg.DagsterInstance.ephemeral() as instance:
        asked = Shop(tmp_path, instance, query={"url_from": URL_FROM, "sql": SQL})
        monkeypatch.setenv(URL_FROM, url)
        assert asked.build(DAY).success
        assert asked.rows(DAY).equals(orders(DAY))


def test_a_wrong_password_is_refused_and_not_told(url: str, database_server: Postgres) -> None:
    wrong = url.replace(database_server.password, "hunter2-is-wrong")
    refused = pytest.raises(DatabaseRefusedError, match="the database of URL refuses it")
    with refused as caught, database(wrong).transaction("orders"):
        pass
    assert "hunter2" not in str(caught.value)


def test_a_server_that_is_not_there_may_come_back(url: str, database_server: Postgres) -> None:
    away = url.replace(str(database_server.port), str(free_ports(1)[0]))
    gone = pytest.raises(DatabaseUnreachableError, match="the database of URL does not answer")
    with gone as caught, database(away).transaction("orders"):
        pass
    assert database_server.password not in str(caught.value)


def test_a_connection_that_is_lost_in_the_middle_leaves_what_was_there(url: str) -> None:
    frame = pl.DataFrame({"day": [dt.date(2013, 7, 4)], "value": [1.0]})
    TableSink(database(url), "lost", "day", ["day"]).send(frame, "2013-07-04")
    lost = pytest.raises(DatabaseUnreachableError)
    with lost, database(url).transaction("lost", keeps=True) as connection:
        connection.execute(sa.text("DELETE FROM lost"))
        connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert rows(url, "SELECT value FROM lost") == [(1.0,)]


def test_two_that_send_the_same_day_at_once_leave_each_row_once(url: str) -> None:
    frame = pl.DataFrame({"day": [dt.date(2013, 7, 4)] * 50, "number": range(50)})

    def send(_: int) -> None:
        for _ in range(20):
            try:
                TableSink(database(url), "raced", "day", []).send(frame, "2013-07-04")
            except DatabaseUnreachableError:
                continue  # as a step is tried again
            return

    send(0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(8)))
    assert rows(url, "SELECT count(*), count(DISTINCT number) FROM raced") == [(50, 50)]
