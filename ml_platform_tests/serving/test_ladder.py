"""The model ladder: a champion that cannot answer gives way to the version before it, and that to a baseline."""

import datetime as dt

import dataframely as dy
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from ml_platform.components.use_case import load_use_case
from ml_platform.errors import ContractViolatedError, NoModelAnswersError, StorageUnreachableError
from ml_platform.local_servers.ports import free_ports
from ml_platform.recovery.degradation import Degradation, Degradations
from ml_platform.recovery.retries import StepRetries
from ml_platform.serving.component import ModelFallback
from ml_platform.serving.decisions import promote, roll_back
from ml_platform.serving.declared import Deployed
from ml_platform.serving.ladder import ModelLadder, Predicted
from ml_platform.serving.rungs import path_of
from ml_platform.serving.sound_champions import sound_champion
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.models import TabularModel
from ml_platform.tracking.registry import RegisteredModel
from ml_platform_tests.serving.scenario import FOLDER, KEYS, NAME, World, deployment, flights

DAYS = ("2013-10-31", "2013-11-01", "2013-11-02")
PREDICTIONS = "flights/delay_predictions"
Matrix = NDArray[np.float64]
LADDER = ModelFallback(last_known_good=True, baseline="carrier_by_hour_rate")
DEPLOYED = [Deployed(NAME, "flights/delay_champion", PREDICTIONS, requires_approval=False)]


@pytest.fixture
def served(world: World) -> World:
    """Three days with features and labels, champions of October and November, and predictions."""
    world.land(DAYS)
    world.promote("2013-10-01", "2013-11-01")
    world.run("delay_predictions", DAYS[0], DAYS[-1])
    return world


def version(world: World, number: int) -> RegisteredModel:
    return world.tracking.registry.get(NAME, number)


def damage(world: World, *numbers: int) -> dict[str, bytes]:
    """The bytes of the versions as they were, after one byte of each was changed."""
    artifacts = world.location.artifacts()
    sound = {(path := path_of(version(world, each), artifacts)): artifacts.read(path) for each in numbers}
    for path, data in sound.items():
        artifacts.write(path, data[:-1] + b"?")
    return sound


def restore(world: World, sound: dict[str, bytes]) -> None:
    for path, data in sound.items():
        world.location.artifacts().write(path, data)


def predict_again(world: World) -> dict[str, bool]:
    """New features of all days, and predictions from them; whether each check passed."""
    world.publish("delay_features", flights(DAYS).with_columns(pl.col("hour") + 0.5), DAYS)
    result = world.run("delay_predictions", DAYS[0], DAYS[-1])
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def rungs(world: World) -> list[tuple[str, int | None]]:
    """Rung and version of each day."""
    rows = world.table("delay_predictions").unique("service_date").sort("service_date")
    return list(rows.select("model_rung", "model_version").iter_rows())


def marks(world: World, table: str = PREDICTIONS) -> dict[str, Degradation]:
    return Degradations(world.location.artifacts()).of(table)


def test_days_of_a_damaged_champion_are_answered_by_the_version_before_it(served: World) -> None:
    damage(served, 2)
    checks = predict_again(served)
    assert rungs(served) == [("champion", 1), ("last_known_good", 1), ("last_known_good", 1)]
    assert checks["is_not_degraded"] is False
    assert checks["predictions_are_probabilities"] is True


def test_a_degraded_day_says_who_answers_and_why(served: World) -> None:
    damage(served, 2)
    predict_again(served)
    found = marks(served)
    assert (sorted(found), found["2013-11-01"].rung) == (["2013-11-01", "2013-11-02"], "last_known_good")
    assert found["2013-11-01"].reason.startswith(
        "last known good 1 answers, because champion 2 cannot be used: The bytes"
    )
    told = served.told("delay_predictions", "2013-11-01")
    assert (told.metadata["model_version"].value, told.metadata["model_rung"].value) == (1, "last_known_good")
    assert (told.tags or {})["ml_platform/degraded"] == "last_known_good"


def test_with_no_sound_version_the_baseline_of_the_champion_answers(served: World) -> None:
    damage(served, 1, 2)
    predict_again(served)
    table = served.table("delay_predictions")
    assert rungs(served) == [("baseline", None)] * 3
    assert set(table["probability"]) == {0.25}
    assert table["model_fingerprint"].n_unique() == 2
    assert "model_version" not in served.told("delay_predictions", "2013-11-01").metadata


def test_with_nothing_left_the_run_fails_and_tells_every_rung(served: World) -> None:
    damage(served, 1, 2)
    for each in served.location.artifacts().list("training"):
        served.location.artifacts().delete(each.path)
    before = served.location.tables().version(PREDICTIONS)
    with pytest.raises(NoModelAnswersError) as told:
        predict_again(served)
    for rung in ("champion 1", "there is no last known good", "baseline carrier_by_hour_rate is missing"):
        assert rung in told.value.got
    assert (served.location.tables().version(PREDICTIONS), marks(served)) == (before, {})


def test_once_the_bytes_are_restored_the_days_are_as_if_nothing_had_happened(served: World) -> None:
    sound = damage(served, 2)
    predict_again(served)
    restore(served, sound)
    predict_again(served)
    healed = served.location.tables().partitions(PREDICTIONS)
    assert (rungs(served), marks(served)) == ([("champion", 1), ("champion", 2), ("champion", 2)], {})
    served.location.artifacts().delete(f"memo/{PREDICTIONS}.json")
    predict_again(served)
    assert served.location.tables().partitions(PREDICTIONS) == healed


def test_a_degraded_day_is_tried_again_although_nothing_else_changed_and_a_sound_one_is_not(served: World) -> None:
    damage(served, 2)
    predict_again(served)
    result = served.run("delay_predictions", DAYS[0], DAYS[-1])
    assert served.metadata(result)["partitions_reused"] == 1
    assert len(marks(served)) == 2


def test_days_that_stand_need_no_model(served: World) -> None:
    damage(served, 1, 2)
    result = served.run("delay_predictions", DAYS[0], DAYS[-1])
    assert served.metadata(result)["partitions_reused"] == 3
    assert rungs(served)[1:] == [("champion", 2)] * 2


def test_quality_of_a_degraded_day_is_measured_and_says_so(served: World) -> None:
    damage(served, 2)
    predict_again(served)
    served.run("delay_quality", DAYS[0], DAYS[-1])
    table = served.table("delay_quality")
    assert table["model_rung"].to_list() == ["champion", "last_known_good", "last_known_good"]
    assert table["rows_labelled"].to_list() == [4, 4, 4]
    assert {key: mark.rung for key, mark in marks(served, "flights/delay_quality").items()} == {
        "2013-11-01": "inherited",
        "2013-11-02": "inherited",
    }


def test_a_version_that_was_rolled_back_is_no_last_known_good(served: World) -> None:
    served.promote("2013-12-01")
    roll_back(served.places, DEPLOYED, NAME, to=1, reason="false alarms", by="ops")
    promote(served.places, DEPLOYED, NAME, 3, reason="the source was wrong", by="ops")
    damage(served, 3)
    found = predicted(served, number=3)
    assert [(each.by.rung, each.by.version.version) for each in found.answered.values()] == [("last_known_good", 1)]


def test_a_promoted_version_that_a_person_rejected_is_no_last_known_good(served: World) -> None:
    served.tracking.registry.set_approval(NAME, 1, is_approved=False, by="Ada", reason="leaks")
    damage(served, 2)
    assert why(predicted(served)).startswith("baseline: ")


def test_a_degraded_day_is_due_again_once_its_champion_or_the_bytes_of_it_are_others(served: World) -> None:
    due = sound_champion(load_use_case(FOLDER), deployment().champion)
    sound = damage(served, 2)
    predict_again(served)
    mark = marks(served)["2013-11-01"]
    assert due(served.location, mark) is None
    served.location.artifacts().delete(next(iter(sound)))
    assert due(served.location, mark) is None
    roll_back(served.places, DEPLOYED, NAME, to=None, reason="damaged", by="ops")
    other = due(served.location, mark)
    assert other is not None
    assert other.startswith(version(served, 1).sha256)


def test_restored_bytes_make_a_degraded_day_due(served: World) -> None:
    due = sound_champion(load_use_case(FOLDER), deployment().champion)
    sound = damage(served, 2)
    predict_again(served)
    restore(served, sound)
    assert due(served.location, marks(served)["2013-11-01"]) is not None


class Wrong:
    """An estimator that gives always the same, or raises."""

    def __init__(self, probability: float | None) -> None:
        self.probability = probability

    def predict_proba(self, matrix: Matrix) -> Matrix:
        if self.probability is None:
            raise ValueError("X has 1 features, but Wrong is expecting 2")
        return np.full((len(matrix), 2), self.probability)


class HourOfDay(dy.Schema):
    """The feature of the toy world."""

    hour = dy.Float32(min=0, max=24)


def predicted(
    world: World,
    fallback: ModelFallback | None = LADDER,
    *,
    number: int = 2,
    loaded: TabularModel | None = None,
    hour: float = 12,
) -> Predicted:
    """A day of the champion `number` at that hour, with `loaded` for its model if given."""
    champion = version(world, number)
    ladder = ModelLadder(world.location.artifacts(), HourOfDay, fallback)
    if loaded is not None:
        ladder.loaded[champion.sha256] = loaded
    rows = flights(["2013-12-01"]).with_columns(hour=pl.lit(hour, dtype=pl.Float32))
    return ladder.predict_by_day(rows, {dt.date(2013, 12, 1): champion}, day_column="service_date", keys=KEYS)


def why(found: Predicted) -> str:
    (answered,) = found.answered.values()
    return f"{answered.by.rung}: {answered.why}"


@pytest.mark.parametrize(
    ("estimator", "features", "told"),
    [
        (Wrong(None), ("hour",), "champion 2 raised ValueError: X has 1 features, but Wrong is expecting 2"),
        (Wrong(1.5), ("hour",), "champion 2 gave 4 values that are no probabilities, 4 for 4 rows"),
        (Wrong(float("nan")), ("hour",), "champion 2 gave 4 values that are no probabilities, 4 for 4 rows"),
        (Wrong(0.5), ("hour", "wind"), "champion 2 cannot be used: The frame to score lacks 1 feature(s) of the model"),
    ],
)
def test_a_model_that_does_not_give_probabilities_gives_way(
    served: World, estimator: Wrong, features: tuple[str, ...], told: str
) -> None:
    loaded = TabularModel(estimator, features, {})
    assert why(predicted(served, loaded=loaded)).startswith(f"last_known_good: {told}")


def test_bytes_that_are_missing_give_way(served: World) -> None:
    artifacts = served.location.artifacts()
    artifacts.delete(path_of(version(served, 2), artifacts))
    assert why(predicted(served)) == "last_known_good: champion 2 is missing from the store"


def test_wrong_features_are_not_bridged_by_another_model(served: World) -> None:
    with pytest.raises(ContractViolatedError, match=r"4 features break the contract HourOfDay.*4 by 'hour\|max'"):
        predicted(served, loaded=TabularModel(Wrong(None), ("hour",), {}), hour=25)


def test_only_declared_rungs_are_tried(served: World) -> None:
    damage(served, 2)
    assert why(predicted(served, ModelFallback(baseline="carrier_by_hour_rate"))).startswith("baseline: champion 2")
    with pytest.raises(NoModelAnswersError, match=r"champion 2 .*; there is no baseline 'constant'.*restore|Restore"):
        predicted(served, ModelFallback(baseline="constant"))


@pytest.mark.parametrize("retries", [StepRetries(), None])
def test_a_store_that_does_not_answer_is_no_reason_to_use_another_model_of_it(retries: StepRetries | None) -> None:
    (port,) = free_ports(1)
    client = {"region_name": "us-east-1", "endpoint_url": f"http://127.0.0.1:{port}"}
    store = ObjectStore("s3://lake/a", {"key": "k", "secret": "s", "client_kwargs": client, "retry_seconds": 0.0})
    ladder = ModelLadder(store, HourOfDay, LADDER, retries)
    model = RegisteredModel(
        name=NAME, version=1, as_of=dt.date(2013, 10, 1), uri="s3://lake/a/models/flights/delay/f.skops", sha256="",
        fingerprint="f", run_id="", gate="approved",
    )  # fmt: skip
    days = {dt.date(2013, 12, 1): model}
    with pytest.raises(StorageUnreachableError):
        ladder.predict_by_day(flights(["2013-12-01"]), days, day_column="service_date", keys=KEYS)
