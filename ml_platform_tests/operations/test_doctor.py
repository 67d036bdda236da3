"""Each connection is looked at, and what is wrong with one is told with what to do."""

import datetime as dt
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
from pydantic import SecretStr

from ml_platform.local_servers.object_server import ObjectServer
from ml_platform.local_servers.ports import free_ports
from ml_platform.local_servers.postgres import Postgres
from ml_platform.operations.doctor import Finding, examine
from ml_platform.settings import Settings
from ml_platform_tests.places import s3_settings


def findings(settings: Settings) -> dict[str, Finding]:
    return {each.part: each for each in examine(settings)}


def nobody() -> int:
    """A port where nobody listens."""
    return free_ports(1)[0]


@contextmanager
def serving(answer: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server that answers so."""
    with HTTPServer(("127.0.0.1", 0), answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def yesterday() -> Iterator[str]:
    """The address of an MLflow of another version, whose clock is a day late."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", format_datetime(dt.datetime.now(dt.UTC) - dt.timedelta(days=1)))
            self.end_headers()
            self.wfile.write(b"2.0.0")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with serving(Answer) as url:
        yield url


def test_a_fresh_home_has_nothing_wrong_and_nothing_is_left_there(tmp_path: Path) -> None:
    found = findings(Settings(home=tmp_path / "home"))
    assert {each.state for each in found.values()} == {"fine", "not set up"}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_platform_on_servers_has_nothing_wrong(tmp_path: Path, s3: ObjectServer, database_url: str) -> None:
    settings = s3_settings(tmp_path, s3).model_copy(update={"database_url": SecretStr(database_url)})
    found = findings(settings)
    wanted = ("landing zone", "tables", "artifacts", "history of runs", "clock")
    assert {name: found[name].state for name in wanted} == dict.fromkeys(wanted, "fine")


def test_a_store_that_does_not_answer_or_does_not_know_the_secret_is_told(tmp_path: Path, s3: ObjectServer) -> None:
    settings = s3_settings(tmp_path, s3)
    refused = settings.model_copy(update={"s3_secret_access_key": SecretStr("not it")})
    away = settings.model_copy(
        update={
            "s3_endpoint_url": f"http://127.0.0.1:{nobody()}",
            "s3_retry_seconds": 0.0,
            "s3_connect_timeout_seconds": 1.0,
        }
    )
    for wrong in (refused, away):
        found = findings(wrong)
        assert {found[name].state for name in ("landing zone", "tables", "artifacts")} == {"wrong"}
        assert "ML_PLATFORM_S3_" in found["tables"].remedy
    assert found["history of runs"].state == "fine"


def test_a_database_that_is_away_or_refuses_is_told_without_its_password(
    tmp_path: Path, database_server: Postgres
) -> None:
    away, refused = database_server._replace(port=nobody()), database_server._replace(password="another")
    for server, why in ((away, "Connection refused"), (refused, "password authentication failed")):
        found = findings(Settings(home=tmp_path, database_url=SecretStr(server.url("postgres"))))["history of runs"]
        assert (found.state, why in found.what) == ("wrong", True)
        assert server.password not in str(found)
        assert "ML_PLATFORM_DATABASE_URL" in found.remedy


def test_an_mlflow_that_is_away_of_another_version_or_damaged_is_told(tmp_path: Path, yesterday: str) -> None:
    damaged = tmp_path / "mlflow.db"
    damaged.write_text("no database at all, " * 100)
    for uri, why in (
        (f"http://127.0.0.1:{nobody()}", "does not answer"),
        (yesterday, "another version"),
        (f"sqlite:///{damaged}", "not a database"),
    ):
        found = findings(Settings(home=tmp_path, mlflow_tracking_uri=uri))["MLflow"]
        assert (found.state, why in found.what) == ("wrong", True)


@pytest.fixture
def asks() -> Iterator[str]:
    """The address of an MLflow that lets in one user with one password."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_let_in = self.headers.get("Authorization") == "Basic dXNlcjpyaWdodA=="
            self.send_response(200 if is_let_in else 401)
            self.end_headers()
            self.wfile.write(version("mlflow").encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with serving(Answer) as url:
        yield url


@pytest.mark.parametrize(("login", "state"), [("", "wrong"), ("user:not-it@", "wrong"), ("user:right@", "fine")])
def test_an_mlflow_that_does_not_let_the_user_in_is_told(asks: str, tmp_path: Path, login: str, state: str) -> None:
    uri = asks.replace("://", f"://{login}")
    found = findings(Settings(home=tmp_path, mlflow_tracking_uri=uri))["MLflow"]
    assert (found.state, "ML_PLATFORM_MLFLOW_PASSWORD" in found.remedy) == (state, state == "wrong")
    assert "not-it" not in str(found)


def test_a_broker_of_another_kind_is_told_without_its_password(tmp_path: Path) -> None:
    found = findings(Settings(home=tmp_path, celery_broker_url=SecretStr("redis://:s3cret@127.0.0.1:6379/0")))["broker"]
    assert (found.state, "redis://..." in found.what) == ("wrong", True)
    assert "s3cret" not in str(found)


def test_a_broker_that_is_away_is_told_with_what_brings_it_and_without_its_password(tmp_path: Path) -> None:
    broker = SecretStr(f"amqp://platform:s3cret@127.0.0.1:{nobody()}//")
    found = findings(Settings(home=tmp_path, celery_broker_url=broker))
    assert (found["broker"].state, "apt-get install -y rabbitmq-server" in found["broker"].remedy) == ("wrong", True)
    assert "s3cret" not in str(found)


def test_the_password_in_an_address_is_told_nowhere(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, mlflow_tracking_uri=f"http://platform:s3cret@127.0.0.1:{nobody()}")
    found = findings(settings)
    assert found["MLflow"].state == "wrong"
    assert "s3cret" not in str(found)


def test_a_clock_that_differs_is_told(tmp_path: Path, yesterday: str) -> None:
    found = findings(Settings(home=tmp_path, mlflow_tracking_uri=yesterday))["clock"]
    assert found.state == "wrong"
    assert "NTP" in found.remedy


def test_a_home_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = findings(Settings(home=tmp_path / "file" / "home"))["home"]
    assert (found.state, "ML_PLATFORM_HOME" in found.remedy) == ("wrong", True)


def test_routes_of_alerts_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    found = findings(Settings(home=tmp_path, alert_routes=tmp_path / "none.yaml"))["alerts"]
    assert found.state == "wrong"


def test_the_command_says_the_same_as_data_and_its_exit_code_tells_whether_something_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from ml_platform.cli import main; main()", "doctor", "--json"]
    home = {"ML_PLATFORM_HOME": str(tmp_path), "PATH": ""}
    fine = subprocess.run(command, env=home, capture_output=True, check=False)
    wrong = subprocess.run(
        command, env=home | {"ML_PLATFORM_ALERT_ROUTES": "none.yaml"}, capture_output=True, check=False
    )
    assert (fine.returncode, wrong.returncode) == (0, 1)
    assert {"part": "home", "state": "fine"}.items() <= json.loads(fine.stdout)[0].items()
