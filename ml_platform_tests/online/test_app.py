"""The HTTP side: answers, refusals, limits and what is seen from outside."""

import json
import math
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi import FastAPI, Request, Response
from pydantic import SecretStr
from starlette.testclient import TestClient

from ml_platform.errors import SettingsError
from ml_platform.online.app import Straight
from ml_platform.online.champions import Champions
from ml_platform.online.server import Background, build, require_token
from ml_platform.online.service import QUICK_BYTES
from ml_platform.settings import Settings
from ml_platform.tracking.models import FEW_ROWS, predict_probability
from ml_platform_tests.online.scenario import COLUMNS, MODEL, OnlineWorld, batch, features, flights, model, request

Start = Callable[..., TestClient]
JSON = {"content-type": "application/json"}
KEY = MODEL.features.primary_key()


class Served:
    """A client of a service in this process, and what runs beside it."""

    def __init__(self, client: TestClient, background: Background, world: OnlineWorld) -> None:
        """Wrap the three."""
        self.client, self.background, self.world = client, background, world

    def predict(self, body: bytes, **headers: str) -> Any:
        """The answer to a request."""
        return self.client.post("/predict", content=body, headers={**JSON, **headers})


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """A service over the toy world, with settings of one's own."""
    begun = []

    def begin(*, is_ready: bool = True, **settings: Any) -> Served:
        world = OnlineWorld(tmp_path, **settings)
        world.promote(1)
        app, background = build(MODEL, world.settings)
        if is_ready:
            background.parts.service.follower.look()
        client = TestClient(app, raise_server_exceptions=False)
        begun.append(background)
        return Served(client, background, world)

    yield begin
    for each in begun:
        each.parts.workers.pool.shutdown()


def test_an_answer_has_probability_version_hash_rung_and_freshness(start: Callable[..., Served]) -> None:
    told = start().predict(request()).json()
    first = told["predictions"][0]
    assert [each["probability"] for each in told["predictions"]] == batch(1)
    assert (first["model_version"], first["model_rung"], first["degraded"]) == (1, "champion", [])
    assert len(first["model_sha256"]) == 64
    assert told["freshness"]["tables"]["flights/clean"]["newest_day"] == "2013-01-13"


def test_a_wrong_field_is_a_422_that_names_it(start: Callable[..., Served]) -> None:
    told = start().predict(request(flights().head(1), carrier=None, wings=2))
    assert told.status_code == 422
    assert {(each["row"], each["field"], each["problem"]) for each in told.json()["error"]["problems"]} == {
        (0, "carrier", "is missing"),
        (0, "wings", "is unknown"),
    }


def test_without_its_token_nothing_is_answered(start: Callable[..., Served]) -> None:
    served = start(serve_token=SecretStr("sesame"))
    statuses = [
        served.predict(request(), **({"authorization": each} if each else {})).status_code
        for each in ("", "Bearer wrong", "sesame", "Bearer sesame")
    ]
    assert statuses == [401, 401, 401, 200]
    assert (served.client.get("/metrics").status_code, served.client.get("/ping").status_code) == (401, 200)


def test_it_listens_beyond_this_machine_only_with_a_token(tmp_path: Path) -> None:
    require_token(Settings(home=tmp_path), "127.0.0.1")
    require_token(Settings(home=tmp_path, serve_token=SecretStr("sesame")), "0.0.0.0")
    with pytest.raises(SettingsError, match="without a token"):
        require_token(Settings(home=tmp_path), "0.0.0.0")


def test_a_body_or_rows_beyond_the_limit_are_a_413(start: Callable[..., Served]) -> None:
    served = start(serve_most_body_bytes=2_000, serve_most_rows=2)
    assert served.predict(request()).status_code == 413
    assert served.predict(request(flights().head(3))).status_code == 413
    assert served.predict(request(flights().head(2))).status_code == 200


def test_a_body_that_does_not_say_its_length_is_cut_off_at_the_limit(start: Callable[..., Served]) -> None:
    parts = (b" " * 900 for _ in range(10))
    told = start(serve_most_body_bytes=2_000).client.post("/predict", content=parts)
    assert told.status_code == 413


def test_one_request_more_than_may_wait_is_told_to_come_again(start: Callable[..., Served]) -> None:
    served = start(serve_most_waiting=1)
    workers, free = served.background.parts.workers, threading.Event()
    workers.waiting = 1
    told = served.predict(request(flights().head(1)))
    assert (told.status_code, told.headers["retry-after"]) == (429, "1")
    workers.waiting = 0
    free.set()
    assert served.predict(request(flights().head(1))).status_code == 200


def test_an_answer_that_takes_too_long_is_a_504(start: Callable[..., Served], monkeypatch: pytest.MonkeyPatch) -> None:
    served, free = start(serve_timeout_seconds=0.2), threading.Event()
    monkeypatch.setattr(served.background.parts.service, "predict_all", lambda bodies: free.wait(60))
    assert served.predict(request()).status_code == 504
    free.set()


def test_what_nobody_foresaw_shows_nothing_of_the_inside(
    start: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = start()
    monkeypatch.setattr(served.background.parts.service, "predict_all", lambda bodies: 1 // 0)
    told = served.predict(request())
    assert told.status_code == 500
    assert "ZeroDivision" not in told.text
    assert "Traceback" not in told.text


def test_it_is_ready_once_it_has_a_champion_and_a_history(start: Callable[..., Served]) -> None:
    served = start(is_ready=False)
    before = served.client.get("/ready")
    assert (before.status_code, before.json()["lacks"]) == (503, ["a history of the tables", "a champion"])
    assert (served.predict(request()).status_code, served.client.get("/health").status_code) == (503, 200)
    served.background.parts.service.follower.look()
    assert served.client.get("/ready").status_code == 200


def test_metrics_count_requests_rows_and_who_answered(start: Callable[..., Served]) -> None:
    served = start()
    served.predict(request())
    page = served.client.get("/metrics").text
    assert f'ml_platform_online_rows_total{{rung="champion"}} {flights().height}.0' in page
    assert 'ml_platform_online_requests_total{path="/predict",status="200"} 1.0' in page
    assert "ml_platform_online_champion_version 1.0" in page


def test_log_lines_have_no_value_of_a_request(start: Callable[..., Served], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "ml_platform.online"):
        start().predict(request(flights().head(1), carrier="secret"))
    [line] = [json.loads(each.message) for each in caplog.records if each.name == "ml_platform.online"]
    assert sorted(line) == ["ms", "path", "request_id", "status"]


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "instances", "inputs"])
def test_rows_of_features_are_scored_by_mlflows_protocol(start: Callable[..., Served], form: str) -> None:
    columns = features().select("carrier", "scheduled_minute_of_day", "weekday", *features().columns[20:]).to_dict()
    lists = {name: values.to_list() for name, values in columns.items() if name != "prediction_at"}
    split = {"columns": list(lists), "data": [list(row) for row in zip(*lists.values(), strict=True)]}
    records = [dict(zip(lists, row, strict=True)) for row in split["data"]]
    data: Any = {"dataframe_split": split, "inputs": lists}.get(form, records)
    told = start().client.post("/invocations", json={form: data})
    assert told.json() == {"predictions": batch(1)}
    assert (told.headers["x-model-version"], told.headers["x-model-rung"]) == ("1", "champion")


def invocation(rows: pl.DataFrame) -> bytes:
    """Rows of features by MLflow's protocol, of the columns that the toy models read."""
    return json.dumps({"inputs": rows.select(COLUMNS).to_dict(as_series=False)}).encode()


def scored_by(served: Served, monkeypatch: pytest.MonkeyPatch, body: bytes) -> str:
    """Name of the thread that scored a request."""
    service, threads = served.background.parts.service, []
    score = service.score

    def noted(*asked: Any) -> Any:
        threads.append(threading.current_thread().name)
        return score(*asked)

    monkeypatch.setattr(service, "score", noted)
    assert served.client.post("/invocations", content=body, headers=JSON).status_code == 200
    return threads[0]


def test_small_requests_are_scored_at_once_and_large_ones_or_slow_champions_by_other_threads(
    start: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = start()
    follower, small = served.background.parts.service.follower, invocation(features().head(1))
    [month] = follower.now.champions.months
    assert 0 < month.rungs[0].seconds_alone < math.inf
    in_few_bytes = json.dumps({"instances": [features().head(1).select(COLUMNS).to_dicts()[0], *[{}] * 900]}).encode()
    assert len(in_few_bytes) < QUICK_BYTES
    broken = served.background.parts.service.broken
    for seconds, body, why, is_other in (
        (0.0, small, {}, False),
        (0.0, invocation(pl.concat([features()] * 5)), {}, True),
        (0.0, in_few_bytes, {}, True),
        (0.0, small, {month.champion.sha256: "it raised"}, True),
        (1.0, small, {}, True),
    ):
        broken.clear()
        broken.update(why)
        rungs = (month.rungs[0]._replace(seconds_alone=seconds), *month.rungs[1:])
        follower.now = follower.now._replace(champions=Champions((month._replace(rungs=rungs),)))
        assert scored_by(served, monkeypatch, body).startswith("answer") == is_other


def test_answers_take_the_straight_way_and_the_rest_the_way_of_the_framework(
    start: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, taken = start(), []
    straight = served.client.app.app.app.app
    api = straight._api

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        taken.append(scope["path"])
        await api(scope, receive, send)

    monkeypatch.setattr(straight, "_api", noted)
    assert served.predict(request(flights().head(1))).status_code == 200
    assert served.client.post("/invocations", content=invocation(features().head(1)), headers=JSON).status_code == 200
    assert (served.client.get("/predict").status_code, served.client.get("/model").status_code) == (405, 200)
    assert taken == ["/predict", "/model"]


def test_only_endpoints_that_take_a_request_and_give_a_response_are_called_straight() -> None:
    api = FastAPI()

    @api.post("/straight")
    async def straight(request: Request) -> Response:
        return Response(await request.body())

    @api.post("/declared")
    async def declared(number: int) -> dict[str, int]:
        return {"number": number}

    client = TestClient(Straight(api))
    assert client.post("/straight", content=b"x").text == "x"
    assert client.post("/declared?number=3").json() == {"number": 3}


def test_a_path_with_a_slash_behind_it_leads_nowhere(start: Callable[..., Served]) -> None:
    assert start().client.post("/predict/", follow_redirects=False).status_code == 404


def test_what_is_scored_at_once_counts_among_those_that_wait(start: Callable[..., Served]) -> None:
    served = start(serve_most_waiting=1)
    workers, body = served.background.parts.workers, invocation(features().head(1))
    workers.waiting = 1
    assert served.client.post("/invocations", content=body, headers=JSON).status_code == 429
    workers.waiting = 0
    assert served.client.post("/invocations", content=body, headers=JSON).status_code == 200
    assert workers.waiting == 0


@pytest.mark.parametrize("times", [1, 2])
def test_few_rows_and_many_of_any_values_are_scored_alike(start: Callable[..., Served], times: int) -> None:
    served, rows = start(), features().select(COLUMNS).to_dict(as_series=False)
    rows["weekday"][:4] = [None, True, 3.5, float("nan")]
    rows["carrier"][4:6] = [None, "never seen"]
    sent = {name: values * times for name, values in rows.items()}
    assert (len(sent["carrier"]) > FEW_ROWS) == (times == 2)
    told = served.client.post("/invocations", content=json.dumps({"inputs": sent}), headers=JSON).json()
    numbers = {**rows, "weekday": [None if v is None else float(v) for v in rows["weekday"]]}
    expected = predict_probability(model(1), pl.DataFrame(numbers, strict=False)).tolist()
    assert told == {"predictions": expected * times}


@pytest.mark.parametrize(("line", "told"), [("AA,x,1", "'weekday'"), ("AA,1,x", "")])
def test_a_csv_value_that_is_no_number_is_told_by_its_column_if_the_model_reads_it(
    start: Callable[..., Served], line: str, told: str
) -> None:
    others = [name for name in COLUMNS if name not in ("carrier", "weekday")]
    body = f"carrier,weekday,unread,{','.join(others)}\n{line}{',1' * len(others)}\n"
    answer = start().client.post("/invocations", content=body, headers={"content-type": "text/csv"})
    assert answer.status_code == (400 if told else 200)
    assert told in answer.text


@pytest.mark.parametrize("times", [1, 70])
def test_half_a_character_is_refused(start: Callable[..., Served], times: int) -> None:
    row = dict.fromkeys(COLUMNS, 1) | {"carrier": "\ud800"}
    told = start().client.post("/invocations", content=json.dumps({"instances": [row] * times}), headers=JSON)
    assert told.status_code == 400
    assert "'carrier'" in told.json()["error"]["message"]


@pytest.mark.parametrize("value", ["text", 10**400, [1], 1e39])
def test_a_value_that_is_no_number_for_a_model_is_refused_by_the_name_of_its_column(
    start: Callable[..., Served], value: object
) -> None:
    served, rows = start(), features().head(2).select(COLUMNS).to_dict(as_series=False)
    rows["weekday"][1] = value
    told = served.client.post("/invocations", content=json.dumps({"inputs": rows}), headers=JSON)
    assert told.status_code == 400
    assert "'weekday'" in told.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"dataframe_split": {"columns": ["a"], "data": []}}', 400),
        (b'{"inputs": {"carrier": ["AA"]}}', 400),
        (b'{"other": []}', 400),
        (b"[" * 100_000, 400),
        (b'{"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}', 400),
    ],
)
def test_what_is_not_mlflows_protocol_is_refused(start: Callable[..., Served], body: bytes, status: int) -> None:
    assert start().client.post("/invocations", content=body, headers=JSON).status_code == status


def test_numbers_that_no_model_can_read_are_refused_and_not_blamed_on_it(start: Callable[..., Served]) -> None:
    served = start()
    row = features().head(1).select("carrier", "weekday", *features().columns[20:]).to_dicts()[0]
    sent = json.dumps({"instances": [{**row, "scheduled_minute_of_day": 1e300}]}, default=str)
    assert served.client.post("/invocations", content=sent, headers=JSON).status_code == 400


def test_what_was_served_is_published_with_its_features(start: Callable[..., Served]) -> None:
    served = start()
    told = served.predict(request()).json()
    served.background.parts.served.publish()
    table = served.world.tables.scan("flights/delay_predictions_served").collect()
    expected = features().with_columns(pl.Series("probability", batch(1)))
    assert table.select(expected.columns).sort(KEY).equals(expected.sort(KEY))
    assert set(table["request_id"]) == {told["request_id"]}


def test_answers_that_were_gathered_on_the_way_are_published_with_the_others(start: Callable[..., Served]) -> None:
    served = start()
    log, asked = served.background.parts.served, [flights().slice(at, 1) for at in range(4)]
    for rows in asked:
        served.predict(request(rows))
        log.gather(at_least=2)
    served.predict(request(flights().tail(1)))
    assert (len(log._rows), len(log._answers)) == (2, 1)
    log.publish()
    table = served.world.tables.scan("flights/delay_predictions_served").collect()
    expected = pl.concat([features().head(4), features().tail(1)])
    assert table.select(expected.columns).sort(KEY).equals(expected.sort(KEY))


def test_answers_that_make_no_frame_are_counted_and_the_next_are_published(start: Callable[..., Served]) -> None:
    served = start()
    parts, row = served.background.parts, flights().head(1)
    told = parts.service.predict(request(row))
    for made in (told.features, told.features.with_columns(odd=1)):
        parts.served.add(told._replace(features=made), "request")
    with pytest.raises(pl.exceptions.PolarsError):
        parts.served.publish()
    assert "ml_platform_online_unlogged_rows_total 2.0" in served.client.get("/metrics").text
    served.predict(request(row))
    parts.served.publish()
    assert parts.served._count == 0
    assert served.world.tables.scan("flights/delay_predictions_served").select(pl.len()).collect().item() == 1


def test_what_was_served_while_the_store_is_away_is_published_later(start: Callable[..., Served]) -> None:
    served = start()
    log, store = served.background.parts.served, served.background.parts.served.tables
    served.predict(request(flights().head(1)))
    log.tables = type(store)("s3://nowhere/tables", {"aws_endpoint_url": "http://127.0.0.1:1", "max_retries": "0"})
    assert served.background._attempt(log.publish)
    log.tables = store
    log.publish()
    assert served.world.tables.scan("flights/delay_predictions_served").select(pl.len()).collect().item() == 1


def test_a_champion_that_does_not_answer_is_an_alert_until_it_does(start: Callable[..., Served]) -> None:
    served = start()
    center = served.background.troubles.center
    served.background._look()
    served.background.parts.service.broken[_champion(served)] = "champion 1 raised ValueError"
    served.background._look()
    served.background._look()
    [told] = center.open()
    assert (told.alert.kind, told.alert.severity, told.times) == ("online", "error", 1)
    assert served.predict(request(flights().head(1))).status_code == 200
    served.background._look()
    assert center.open() == []


def test_a_store_that_is_gone_is_an_alert_and_a_count(start: Callable[..., Served]) -> None:
    served = start()
    shutil.rmtree(served.world.settings.data_uri.removeprefix("file://"))
    served.background._look()
    [told] = served.background.troubles.center.open()
    assert told.alert.subject == "online flights_delay: cannot be followed"
    assert "ml_platform_online_failed_looks_total 1.0" in served.client.get("/metrics").text


def _champion(served: Served) -> str:
    """Hash of the champion's bytes."""
    return served.background.parts.service.follower.now.champions.months[0].champion.sha256
