import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr

from ml_platform.errors import LineageEndpointError, UnknownAssetError
from ml_platform.provenance.openlineage import tell
from ml_platform.provenance.openlineage_steps import runs_to_tell
from ml_platform.provenance.trace_links import AssetLinks
from ml_platform.settings import Settings
from ml_platform_tests.provenance.openlineage_schema import problems
from ml_platform_tests.provenance.scenario import DAYS, World

Event = dict[str, Any]


class Receiver(ThreadingHTTPServer):
    """A lineage server: keeps what is posted, and answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, str | None, Event]] = []
        self.status, self.refuse_after = 201, 10_000

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        takes = len(self.server.received) < self.server.refuse_after
        if takes:
            self.server.received.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.server.status if takes else 403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def told(world: World, folder: Path, *run_ids: str) -> list[Event]:
    """Events of the runs, as the file has them."""
    file = folder / "events.ndjson"
    deliver(world, str(file), world.settings, *run_ids)
    return [json.loads(line) for line in file.read_text().splitlines()]


def deliver(world: World, to: str | None, settings: Settings, *run_ids: str) -> str:
    runs = runs_to_tell(world.instance, run_ids, None if run_ids else datetime(2013, 1, 1))  # noqa: DTZ001 - as typed
    return tell(runs, to, world.instance, AssetLinks([world.definitions]), settings)


def ended(events: list[Event], job: str) -> Event:
    return next(e for e in events if e["job"]["name"].endswith(job) and e["eventType"] not in ("START", "RUNNING"))


def names(datasets: list[Event]) -> list[str]:
    return sorted(each["name"].rpartition("/toy/")[2] or each["name"] for each in datasets)


def test_every_event_is_valid_against_the_published_schemas(built: World, tmp_path: Path) -> None:
    events = told(built, tmp_path)
    assert len(events) == 2 * (3 + 8 + 1)  # runs, steps and the checks of one step
    assert [problem for event in events for problem in problems(event)] == []


def test_an_event_that_is_not_valid_would_be_noticed(built: World, tmp_path: Path) -> None:
    event = ended(told(built, tmp_path), "toy__clean")
    del event["outputs"][0]["facets"]["version"]["datasetVersion"]
    event["eventType"] = "DONE"
    assert len(problems(event)) == 2


def test_every_run_starts_once_and_ends_once(built: World, tmp_path: Path) -> None:
    states: dict[str, list[str]] = {}
    for event in told(built, tmp_path):
        states.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert set(map(tuple, states.values())) == {("START", "COMPLETE")}


def test_a_step_says_what_it_read_and_wrote_at_which_versions(built: World, tmp_path: Path) -> None:
    features = ended(told(built, tmp_path), "toy__features")
    (read,), (written,) = features["inputs"], features["outputs"]
    assert (names([read]), names([written])) == (["clean"], ["features"])
    assert [each["facets"]["version"]["datasetVersion"] for each in (read, written)] == ["0", "0"]
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 2 * len(DAYS)
    assert [field["name"] for field in written["facets"]["schema"]["fields"]] == ["day", "sensor"]


def test_columns_lead_to_columns_and_those_that_decide_on_rows_are_told_apart(built: World, tmp_path: Path) -> None:
    (written,) = ended(told(built, tmp_path), "toy__labels")["outputs"]
    facet = written["facets"]["columnLineage"]
    named = {name: [each["field"] for each in found["inputFields"]] for name, found in facet["fields"].items()}
    assert named == {"day": ["day"], "sensor": [], "high": ["value"]}
    (rows,) = facet["dataset"]
    assert rows["name"].endswith("/toy/clean")
    assert (rows["field"], rows["transformations"]) == ("value", [{"type": "INDIRECT", "subtype": "FILTER"}])


def test_lineage_goes_from_landing_objects_to_predictions(built: World, tmp_path: Path) -> None:
    events = told(built, tmp_path)
    steps = [e for e in events if "toy__" in e["job"]["name"] and e["outputs"]]
    read = {name: names(e["inputs"]) for e in steps for name in names(e["outputs"])}
    assert read["raw"] == [f"{built.settings.landing_uri.removeprefix('file://')}/toy"]
    assert (read["clean"], read["features"], read["delay_model"]) == (["raw"], ["clean"], ["features", "labels"])
    assert (read["delay_champion"], read["predictions"]) == (["delay_model_version"], ["delay_champion", "features"])


def test_a_step_and_its_checks_are_below_the_run(built: World, tmp_path: Path) -> None:
    events = told(built, tmp_path)
    step, checks = ended(events, "toy__clean"), ended(events, "toy__clean.checks")
    assert checks["run"]["facets"]["parent"]["run"]["runId"] == step["run"]["runId"]
    assert checks["run"]["facets"]["parent"]["root"] == step["run"]["facets"]["parent"]["root"]
    (assertion,) = checks["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert (assertion["assertion"], assertion["success"]) == ("values_are_positive", True)


def test_a_run_that_failed_says_why(world: World, tmp_path: Path) -> None:
    run_id = world.run("raw", days=["2013-01-20"])
    events = told(world, tmp_path, run_id)
    step = ended(events, "toy__raw")
    assert (step["eventType"], ended(events, "__ASSET_JOB")["eventType"]) == ("FAIL", "FAIL")
    assert "2013-01-20.csv" in step["run"]["facets"]["errorMessage"]["message"]
    assert [problem for event in events for problem in problems(event)] == []


def test_the_same_run_is_told_with_the_same_ids(built: World, tmp_path: Path) -> None:
    run = built.ask("toy/raw", "2013-02-02").run_ids[0]
    assert told(built, tmp_path / "a", run) == told(built, tmp_path / "b", run)


def test_an_endpoint_gets_every_event(built: World, receiver: Receiver) -> None:
    settings = built.settings.model_copy(
        update={"openlineage_url": receiver.url, "openlineage_api_key": SecretStr("key")}
    )
    assert deliver(built, None, settings).endswith(f"events sent to {receiver.url}")
    assert {(path, authorization) for path, authorization, _ in receiver.received} == {
        ("/api/v1/lineage", "Bearer key")
    }
    assert [problem for _, _, event in receiver.received for problem in problems(event)] == []


def test_events_that_an_endpoint_does_not_take_are_kept_and_the_setting_is_named(
    built: World, receiver: Receiver
) -> None:
    receiver.refuse_after = 3
    with pytest.raises(LineageEndpointError, match="ML_PLATFORM_OPENLINEAGE_URL"):
        deliver(built, receiver.url, built.settings)
    (kept,) = (built.settings.home / "openlineage").glob("unsent-*")
    total = len(told(built, built.settings.home / "again"))
    assert len(kept.read_text().splitlines()) == total - 3


def test_an_endpoint_where_nothing_listens_is_an_error_with_the_events_kept(world: World, receiver: Receiver) -> None:
    nobody = receiver.url
    receiver.server_close()
    with pytest.raises(LineageEndpointError, match="did not take 4 of 4") as error:
        deliver(world, nobody, world.settings, world.run("labels", days=["2013-02-04"]))
    assert "unsent-" in error.value.kept


def test_runs_are_asked_for_by_id_or_by_when_they_ended(built: World) -> None:
    run = built.ask("toy/raw", "2013-02-02").run_ids[0]
    assert [each.dagster_run.run_id for each in runs_to_tell(built.instance, [run], None)] == [run]
    later = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)
    assert runs_to_tell(built.instance, [], later) == []
    assert len(runs_to_tell(built.instance, [], later - timedelta(days=2))) == 3


@pytest.mark.parametrize(("run_ids", "said"), [([], "Which runs"), (["0000"], "has no run 0000")])
def test_runs_that_are_not_there_are_refused(built: World, run_ids: list[str], said: str) -> None:
    with pytest.raises(UnknownAssetError, match=said):
        runs_to_tell(built.instance, run_ids, None)
