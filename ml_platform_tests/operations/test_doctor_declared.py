"""Databases of queries and sinks, and the prefix of exports, are looked at where a use case names them."""

import shutil
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml
from pydantic import SecretStr

from ml_platform.local_servers.object_server import ObjectServer
from ml_platform.local_servers.ports import free_ports
from ml_platform.local_servers.postgres import Postgres
from ml_platform.operations.doctor import Finding
from ml_platform.operations.doctor_declared import examine_declared
from ml_platform.provenance.catalog import Catalog
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform_tests.places import s3_settings

SOURCE, SINK = "DOCTOR_TEST_SOURCE_URL", "DOCTOR_TEST_SINK_URL"
SINKS = [{"name": "sent_rows", "table": "predictions", "url_from": SINK}, {"name": "sent_files", "path": "{day}.csv"}]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Flights, whose first raw table comes from a database and whose predictions go to another and to objects."""
    folder = Path(shutil.copytree(PROJECT_ROOT / "ml_platform/use_cases/flights", tmp_path / "flights"))
    query = {"url_from": SOURCE, "sql": "SELECT * FROM flights WHERE day = :day"}
    change(folder / "data/defs.yaml", lambda attributes: attributes["landed"][0].update(landing=None, query=query))
    change(folder / "serving/defs.yaml", lambda attributes: attributes["predictions"].update(sinks=SINKS))
    return Catalog(folder)


def change(path: Path, edit: Any) -> None:
    """Edit what a file declares."""
    declared = yaml.safe_load(path.read_text())
    edit(declared["attributes"])
    path.write_text(yaml.safe_dump(declared))


def findings(settings: Settings, catalog: Catalog) -> dict[str, Finding]:
    return {each.part: each for each in examine_declared(settings, [catalog])}


def test_what_is_there_is_fine_and_nothing_is_left(
    catalog: Catalog, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (SOURCE, SINK):
        monkeypatch.setenv(variable, database_url)
    found = findings(Settings(home=tmp_path / "home"), catalog)
    assert {name: each.state for name, each in found.items()} == dict.fromkeys(
        ("exports", f"database of {SOURCE}", f"database of {SINK}"), "fine"
    )
    with psycopg2.connect(database_url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)


def test_a_database_that_has_no_address_is_away_or_refuses_is_told_without_its_password(
    catalog: Catalog, tmp_path: Path, database_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = database_server._replace(port=free_ports(1)[0], password="of-nobody")
    refused = database_server._replace(password="another-one")
    monkeypatch.delenv(SINK, raising=False)
    for server, why in ((away, "does not answer"), (refused, "refuses it")):
        monkeypatch.setenv(SOURCE, server.url("postgres"))
        found = findings(Settings(home=tmp_path / "home"), catalog)
        source, sink = found[f"database of {SOURCE}"], found[f"database of {SINK}"]
        assert (source.state, why in source.what, server.password in str(found)) == ("wrong", True, False)
        assert (sink.state, "has no value" in sink.what) == ("wrong", True)


def test_a_user_who_may_not_make_tables_is_told(
    catalog: Catalog, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg2.connect(database_url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE doctor_reader LOGIN PASSWORD 'reads'")
    reader = f"postgresql+psycopg2://doctor_reader:reads@{database_url.rpartition('@')[2]}"
    for variable in (SOURCE, SINK):
        monkeypatch.setenv(variable, reader)
    found = findings(Settings(home=tmp_path / "home"), catalog)
    source, sink = found[f"database of {SOURCE}"], found[f"database of {SINK}"]
    assert (source.state, sink.state, "permission denied" in sink.what) == ("fine", "wrong", True)


def test_exports_that_are_refused_are_told(catalog: Catalog, tmp_path: Path, s3: ObjectServer) -> None:
    refused = s3_settings(tmp_path, s3).model_copy(update={"s3_secret_access_key": SecretStr("not it")})
    found = findings(refused, catalog)["exports"]
    assert (found.state, "ML_PLATFORM_S3_SECRET_ACCESS_KEY" in found.remedy) == ("wrong", True)


def test_use_cases_that_name_no_other_place_have_nothing_to_look_at(tmp_path: Path) -> None:
    plain = Catalog(PROJECT_ROOT / "ml_platform/use_cases/flights")
    assert findings(Settings(home=tmp_path), plain) == {}
