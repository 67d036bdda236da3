"""Whatever a request is, by the page of the API or beside it, the service does not fail over it."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from ml_platform.online.guard import App
from ml_platform.online.server import build
from ml_platform_tests.online.scenario import MODEL, OnlineWorld

PATHS = [
    ("/predict", "POST"),
    ("/invocations", "POST"),
    *((path, "GET") for path in ("/ready", "/ping", "/version", "/model", "/health", "/metrics")),
]
often = settings(
    max_examples=60,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A service that is ready."""
    world = OnlineWorld(tmp_path_factory.mktemp("fuzz"))
    world.promote(1)
    made, background = build(MODEL, world.settings)
    background.parts.service.follower.look()
    yield made
    background.parts.workers.pool.shutdown()


@pytest.mark.parametrize(("path", "method"), PATHS)
def test_requests_by_its_schema_are_answered_or_refused_as_it_says(app: App, path: str, method: str) -> None:
    operation = schemathesis.openapi.from_asgi("/openapi.json", app)[path][method]
    statuses = {int(status) for status in operation.definition.raw["responses"]}

    @often
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        status = case.call().status_code
        assert status < 500
        assert status in statuses

    ask()


@often
@given(
    body=st.binary(max_size=300), path=st.sampled_from(["/predict", "/invocations", "/nothing"]), is_csv=st.booleans()
)
def test_bytes_of_any_kind_are_refused(app: App, body: bytes, path: str, is_csv: bool) -> None:
    media_type = "text/csv" if is_csv else "application/json"
    told = TestClient(app, raise_server_exceptions=False).post(path, content=body, headers={"content-type": media_type})
    assert 400 <= told.status_code < 500


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@often
@given(content=json, form=st.sampled_from(["rows", "dataframe_split", "dataframe_records", "instances", "inputs"]))
def test_json_of_any_shape_is_refused(app: App, content: Any, form: str) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    for path in ("/predict", "/invocations"):
        told = client.post(path, content=_dumped({form: content}), headers={"content-type": "application/json"})
        assert 400 <= told.status_code < 500


def _dumped(content: Any) -> bytes:
    """JSON as careless clients write it: with NaN and lone surrogates."""
    import json as library

    return library.dumps(content).encode()
