"""MLflow is away: work goes on, what it was to be told waits, and is told once, wherever the telling is interrupted."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from ml_platform.errors import RegistryUnreachableError, TrialLostError
from ml_platform.local_servers.ports import LOOPBACK
from ml_platform.recovery.isolation import run_isolated
from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking import reaching
from ml_platform.tracking._client import client
from ml_platform.tracking.entries import Awaited
from ml_platform.tracking.journal import WAITING
from ml_platform.tracking.replaying import tell_mlflow_what_waited
from ml_platform.tracking.resource import MlflowTracking
from ml_platform_tests.faults.fatal import When, die_at
from ml_platform_tests.tracking.scenario import KEY, logged, opened
from ml_platform_tests.tracking.test_models import fitted

if TYPE_CHECKING:
    from mlflow.entities import Run

VERSION = Awaited(asset="flights/delay_model_version", job="train", partition="2013-10-01")


@dg.op
def nothing() -> None:
    """No work."""


@dg.job(name=VERSION.job)
def train_job() -> None:
    """The job that registers."""
    nothing()


STANDS = "The model stands."


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """Address at which nobody listens."""
    with socket.socket() as held:
        held.bind((LOOPBACK, 0))
        yield f"http://{LOOPBACK}:{held.getsockname()[1]}"


@pytest.fixture
def away(tracking: MlflowTracking, nobody: str, tmp_path: Path) -> MlflowTracking:
    """The same platform while its MLflow is away; `tracking` is when it is back."""
    return MlflowTracking.from_settings(Settings(home=tmp_path, mlflow_tracking_uri=nobody))


def train(tracking: MlflowTracking, run_id: str = "") -> str:
    """Name of the run of a training that tells all it has to tell."""
    run_id = run_id or opened(tracking)
    tracking.record(run_id, params={"depth": 3}, metrics={"rows": 9.0}, curves={"loss": {3: 0.5, 6: 0.25}})
    tracking.record(run_id, tags={"sha256": "a"}, figures={"search": b"PNG"})
    logged(tracking, run_id, fitted())
    tracking.close_run(run_id)
    return run_id


def told(tracking: MlflowTracking) -> "Run":
    """The only run, once it is seen that all is told of it, and once."""
    store = client(tracking.tracking_uri)
    (run,) = store.search_runs([each.experiment_id for each in store.search_experiments()])
    (model,) = store.search_logged_models([run.info.experiment_id])
    assert run.outputs is not None
    assert [each.model_id for each in run.outputs.model_outputs] == [model.model_id]
    assert (str(model.status), model.source_run_id) == ("READY", run.info.run_id)
    points = {name: store.get_metric_history(run.info.run_id, name) for name in ("rows", "loss")}
    assert {name: [(each.step, each.value) for each in found] for name, found in points.items()} == {
        "rows": [(0, 9.0)],
        "loss": [(3, 0.5), (6, 0.25)],
    }
    assert (run.data.params, run.data.tags["sha256"], run.info.status) == ({"depth": "3"}, "a", "FINISHED")
    assert [each.path for each in store.list_artifacts(run.info.run_id, "figures")] == ["figures/search.png"]
    return run


def test_work_goes_on_while_mlflow_is_away_and_all_that_it_says_waits(away: MlflowTracking) -> None:
    run_id = train(away)
    (waiting,) = away.journal.pending()
    assert run_id == f"{WAITING}{KEY.digest}"
    assert (waiting.asset, waiting.partition, waiting.entries) == (KEY.asset, KEY.partition, 5)
    assert waiting.reason == "Connection refused"
    assert "waits for MLflow" in str(away.metadata(run_id)["mlflow_run"].value)


def test_what_waited_is_told_once_and_its_names_are_known_afterwards(
    tracking: MlflowTracking, away: MlflowTracking
) -> None:
    run_id = train(away)
    (replayed,) = tracking.replay()
    assert (list(tracking.replay()), tracking.journal.pending()) == ([], [])
    run = told(tracking)
    assert replayed.run_id == run.info.run_id
    found = tracking.found(run_id, "", VERSION, STANDS)
    assert (found.run_id, found.mlflow_uri.partition("/")[0]) == (run.info.run_id, "models:")
    assert run.info.run_id in str(away.metadata(run_id)["mlflow_run"].value)


def test_what_waits_is_told_before_anything_else_is_said_of_the_run(
    tracking: MlflowTracking, away: MlflowTracking
) -> None:
    train(tracking, opened(away))
    told(tracking)
    assert tracking.journal.pending() == []


def test_a_run_that_was_opened_before_mlflow_went_keeps_its_id(tracking: MlflowTracking, away: MlflowTracking) -> None:
    run_id = opened(tracking)
    assert opened(away) == run_id
    assert train(away, run_id) == run_id
    list(tracking.replay())
    assert told(tracking).info.run_id == run_id


def test_saying_all_again_changes_nothing(tracking: MlflowTracking) -> None:
    train(tracking)
    train(tracking)
    told(tracking)


def test_of_two_runs_of_one_key_the_older_counts(tracking: MlflowTracking) -> None:
    run_id, store = opened(tracking), client(tracking.tracking_uri)
    first = store.get_run(run_id)
    store.create_run(first.info.experiment_id, tags=first.data.tags)
    assert opened(tracking) == run_id
    assert [run.info.run_id for run in store.search_runs([first.info.experiment_id])] == [run_id]


def test_what_mlflow_refuses_waits_on_and_stops_no_other_run(tracking: MlflowTracking, away: MlflowTracking) -> None:
    for depth in (3, 4):
        away.record(opened(away), params={"depth": depth})
    other = KEY._replace(partition="2013-11-01")
    opened(away, other)
    refused, fine = tracking.replay()
    assert "Changing param values is not allowed" in refused.refused
    assert (fine.waiting.partition, fine.refused) == (other.partition, "")
    assert [waiting.partition for waiting in tracking.journal.pending()] == [KEY.partition]


def test_registering_says_what_stands_and_is_noted_once(tracking: MlflowTracking, away: MlflowTracking) -> None:
    run_id = train(away)
    for _ in range(2):
        with pytest.raises(RegistryUnreachableError, match=r"The model stands\..*Start it"):
            away.found(run_id, "", VERSION, STANDS)
    (waiting,) = away.journal.pending()
    assert [(each.asset, each.partition) for each in waiting.awaited] == [(VERSION.asset, VERSION.partition)]
    assert [each.waiting.awaited for each in tracking.replay()] == [waiting.awaited]
    assert [(each.entries, each.awaited) for each in tracking.journal.pending()] == [(0, waiting.awaited)]
    tracking.found(run_id, "", VERSION, STANDS)
    assert tracking.journal.pending() == []


def test_the_sensor_tells_mlflow_and_asks_for_what_waited_with_one_key(
    tracking: MlflowTracking, away: MlflowTracking
) -> None:
    with pytest.raises(RegistryUnreachableError):
        away.found(train(away), "", VERSION, STANDS)
    skipped = tell_mlflow_what_waited(away, [train_job])(dg.build_sensor_context())
    first, again = (tell_mlflow_what_waited(tracking, [train_job])(dg.build_sensor_context()) for _ in range(2))
    assert isinstance(skipped, dg.SkipReason)
    assert "does not answer" in str(skipped.skip_message)
    assert isinstance(first, dg.SensorResult)
    assert isinstance(again, dg.SensorResult)
    assert first.run_requests is not None
    assert first.run_requests == again.run_requests
    (request,) = first.run_requests
    assert (request.asset_selection, request.partition_key) == ([dg.AssetKey(VERSION.asset.split("/"))], "2013-10-01")


def test_a_tick_with_nothing_to_tell_says_so(tracking: MlflowTracking) -> None:
    skipped = tell_mlflow_what_waited(tracking, [train_job])(dg.build_sensor_context())
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "Nothing waits for MLflow."


def test_a_failure_that_waits_does_not_end_the_run_of_a_retry(tracking: MlflowTracking, away: MlflowTracking) -> None:
    run_id = opened(tracking)
    assert away.close_runs_of(KEY.run_id, "FAILED", opened_last=run_id) == []
    opened(away, KEY._replace(run_id="retry"))
    away.close_runs_of(KEY.run_id, "KILLED", opened_last=run_id)
    list(tracking.replay())
    assert client(tracking.tracking_uri).get_run(run_id).info.status == "RUNNING"


def test_a_store_that_was_away_is_not_waited_for_again_at_once(nobody: str) -> None:
    with pytest.raises(RegistryUnreachableError), reaching.reaching(nobody):
        client(nobody)
    asked: list[str] = []
    with pytest.raises(RegistryUnreachableError, match="does not answer"), reaching.reaching(nobody):
        asked.append(nobody)
    assert asked == []
    reaching.ask_again(nobody)


CHANGES = [
    *("create_experiment", "create_run", "delete_run", "update_run", "set_terminated", "log_batch", "log_inputs"),
    *("log_artifacts", "create_logged_model", "log_model_artifacts", "finalize_logged_model", "log_outputs"),
]


def replay_until(tracking: MlflowTracking, at: int, when: When) -> None:
    """Replay in this process, which is killed before or after its `at`-th change."""
    from mlflow.tracking import MlflowClient

    die_at(at, when, [*((MlflowClient, name) for name in CHANGES), (ObjectStore, "write"), (ObjectStore, "delete")])
    list(tracking.replay())


def finish_and_look(tracking: MlflowTracking) -> None:
    """As a second replay, then as a reader."""
    list(tracking.replay())
    told(tracking)
    assert tracking.journal.pending() == []


@pytest.mark.parametrize(("at", "when"), [(2, "after"), (5, "before"), (8, "after")])
def test_a_replay_that_is_killed_and_repeated_tells_all_once(
    tracking: MlflowTracking, away: MlflowTracking, at: int, when: When
) -> None:
    train(away)
    with pytest.raises(TrialLostError, match="SIGKILL"):
        run_isolated(replay_until, tracking, at, when)
    run_isolated(finish_and_look, tracking)
