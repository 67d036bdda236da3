"""Who only reads can only read: the online service answers and the doctor looks, and a table stands as it was."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from ml_platform.errors import StorageAccessError
from ml_platform.local_servers.object_server import Identity, object_server
from ml_platform.online.server import build
from ml_platform.operations.doctor import examine
from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore
from ml_platform_tests.online.scenario import DAYS, MODEL, OnlineWorld, batch, request
from ml_platform_tests.places import READER, WRITER

DAY = "2013-01-10"
SERVED = "tables/flights/delay_predictions_served"
ONLINE = Identity("online", "online-key", "online-secret", ("Read:lake", "List:lake", f"Write:lake/{SERVED}/*"))
PLACES = {f"{name}_uri": f"s3://lake/{folder}" for name, folder in (("data", "tables"), ("artifact", "artifacts"))}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a store with a world that serves, which knows a writer, a reader and the online service."""
    with object_server(tmp_path_factory.mktemp("objects"), [WRITER, READER, ONLINE]) as server:
        world = OnlineWorld(tmp_path_factory.mktemp("home"), **credentials(server.endpoint_url, WRITER))
        world.promote(1)
        yield server.endpoint_url


def credentials(endpoint_url: str, identity: Identity) -> dict[str, object]:
    """Settings of one who comes with these keys."""
    keys = {"access_key_id": identity.access_key_id, "secret_access_key": identity.secret_access_key}
    return {**PLACES, "s3_endpoint_url": endpoint_url, **{f"s3_{name}": SecretStr(key) for name, key in keys.items()}}


def settings(home: Path, endpoint_url: str, identity: Identity) -> Settings:
    return Settings.model_validate({"home": home, "serve_days": DAYS, **credentials(endpoint_url, identity)})


def serve(home: Path, endpoint_url: str, identity: Identity) -> tuple[list[float], str]:
    """What the online service answers with these keys, and why what was served could not be written, if so."""
    app, background = build(MODEL, settings(home, endpoint_url, identity))
    background.parts.service.follower.look()
    answer = TestClient(app).post("/predict", content=request(), headers={"content-type": "application/json"})
    background.parts.workers.pool.shutdown()
    told = background._attempt(background.parts.served.publish)
    return [each["probability"] for each in answer.json()["predictions"]], told


def test_the_online_service_needs_to_write_nothing_but_what_it_served(endpoint: str, tmp_path: Path) -> None:
    assert serve(tmp_path, endpoint, ONLINE) == (batch(1), "")
    tables = TableStore.from_settings(settings(tmp_path, endpoint, WRITER))
    assert tables.scan("flights/delay_predictions_served").collect().height == len(batch(1))


def test_with_a_readers_keys_it_answers_and_keeps_what_it_served_for_later(endpoint: str, tmp_path: Path) -> None:
    answered, told = serve(tmp_path, endpoint, READER)
    assert answered == batch(1)
    assert "may not do this" in told


@pytest.mark.parametrize("identity", [READER, ONLINE], ids=["reader", "online"])
def test_neither_may_change_a_table(endpoint: str, tmp_path: Path, identity: Identity) -> None:
    tables = TableStore.from_settings(settings(tmp_path, endpoint, identity))
    before = tables.version("flights/clean")
    with pytest.raises(StorageAccessError):
        tables.publish(
            "flights/clean", pl.DataFrame({"service_date": ["2013-01-10"]}), ["2013-01-10"], key="service_date"
        )
    assert tables.version("flights/clean") == before


def test_the_doctor_looks_with_a_readers_keys_and_says_what_they_may_not(endpoint: str, tmp_path: Path) -> None:
    reader = settings(tmp_path, endpoint, READER)
    assert {each.part: each.state for each in examine(reader, reads_only=True)} == dict.fromkeys(
        ("home", "tables", "artifacts"), "fine"
    )
    written = {each.part: each.state for each in examine(reader)}
    assert (written["tables"], written["artifacts"]) == ("wrong", "wrong")
