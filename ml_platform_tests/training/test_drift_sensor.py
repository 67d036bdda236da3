"""What an alarm of drift or decay asks for: a month that can learn something new, once, and not too soon again."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform.components.drift_alarms import standing_alarm
from ml_platform.serving.drift_contract import alarms_contract
from ml_platform.storage.io_managers import record_path
from ml_platform.storage.resources import storage_resources
from ml_platform.training.config import RetrainingConfig
from ml_platform.training.drift_sensor import drift_sensor
from ml_platform.training.training_set import resolve_inputs
from ml_platform_tests.components.ticking import Sensors, Ticked
from ml_platform_tests.training.scenario import toy_model
from ml_platform_tests.training.test_content_roots import MODEL, World, world_of

JOB, ON_DRIFT = "train_toy_delay", "train_toy_delay_on_drift"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield world_of(99, tmp_path, instance)


def alarm(world: World, day: str, *, drift_since: str = "", version: str = "one") -> None:
    """Publish a day of alarms of the champion of the earlier month."""
    since = dt.date.fromisoformat(drift_since) if drift_since else None
    row = {
        "day": dt.date.fromisoformat(day),
        "model_version": 1,
        "model_as_of": dt.date.fromisoformat(world.months[0]),
        "model_fingerprint": version,
        "drift": 1.5,
        "most_drifted": "wind",
        "drift_evidence": 700.0,
        "decay_evidence": 0.0,
        "evidence_needed": 620.0,
        "drift_since": since,
        "alarm": "drift" if since else "none",
    }
    schema = alarms_contract("day").create_empty().schema
    world.location.tables().publish("toy/alarms", pl.DataFrame([row], schema=schema), [day], key="day")


def sensors_of(world: World, cool_down_days: float = 7) -> Sensors:
    @dg.op
    def train() -> None:
        return None

    @dg.graph
    def training() -> None:
        train()

    months = world.use_case.by_as_of_month
    job = training.to_job(JOB, partitions_def=months, resource_defs={})
    retraining = RetrainingConfig(alarms="alarms", cool_down_days=cool_down_days)
    sensor = drift_sensor(world.use_case, toy_model(), retraining, job)
    definitions = dg.Definitions(jobs=[job], sensors=[sensor], resources=storage_resources(world.settings))
    return Sensors(definitions, world.instance)


def tick(sensors: Sensors) -> Ticked:
    return sensors.tick(ON_DRIFT, job=JOB)


def trained(world: World, *months: str) -> None:
    """The records that trainings of the months leave, from what is published now."""
    for month in months:
        pins = world.location.pins(dg.DagsterRun("toy"))
        inputs = resolve_inputs(pins, "toy", toy_model(), dt.date.fromisoformat(month)).model_dump_json()
        path = record_path("toy/delay_model", month)
        world.location.artifacts().write(path, f'{{"inputs": {inputs}}}'.encode())


def test_an_alarm_asks_once_for_the_newest_month_that_can_learn_something_new(world: World) -> None:
    alarm(world, world.days[-1], drift_since=world.days[-3])
    trained(world, world.months[0])
    sensors = sensors_of(world)
    assert tick(sensors).ranges == [world.months[1]]
    assert tick(sensors).requests == []


def test_another_alarm_asks_again(world: World) -> None:
    alarm(world, world.days[-1], drift_since=world.days[-3])
    sensors = sensors_of(world)
    tick(sensors)
    alarm(world, world.days[-1], drift_since=world.days[-3], version="two")
    assert tick(sensors).ranges == [world.months[1]]


def test_nothing_is_asked_for_while_no_alarm_stands_or_nothing_was_judged(world: World) -> None:
    sensors = sensors_of(world)
    assert tick(sensors).told.endswith("Nothing calls for training.")
    alarm(world, world.days[-2], drift_since=world.days[-3])
    alarm(world, world.days[-1])
    assert tick(sensors).told == "No alarm stands in toy/alarms."


def test_a_month_that_would_learn_the_same_again_is_not_trained_and_that_is_told(world: World) -> None:
    alarm(world, world.days[-1], drift_since=world.days[-3])
    trained(world, *world.months)
    told = tick(sensors_of(world)).told
    assert told.startswith(f"drift since {world.days[-3]}, seen on {world.days[-1]} of version 1 (wind is furthest")
    assert "there is nothing newer to learn from" in told
    world.publish("labels", world.days[:1], 1)
    assert tick(sensors_of(world)).ranges == [world.months[1]]


def test_after_a_training_nothing_is_asked_for_until_the_cool_down_is_over(world: World) -> None:
    alarm(world, world.days[-1], drift_since=world.days[-3])
    world.instance.report_runless_asset_event(dg.AssetMaterialization(MODEL, partition=world.months[0]))
    assert "no further training is asked for" in tick(sensors_of(world)).told
    assert tick(sensors_of(world, cool_down_days=0)).ranges == [world.months[1]]


def test_a_training_that_is_not_finished_is_waited_for(world: World) -> None:
    alarm(world, world.days[-1], drift_since=world.days[-3])
    world.instance.add_run(dg.DagsterRun(JOB, status=dg.DagsterRunStatus.STARTED))
    assert f"a run of {JOB} is not finished" in tick(sensors_of(world)).told


def test_the_alarm_that_stands_is_that_of_the_newest_day(world: World) -> None:
    alarm(world, world.days[-1], drift_since=world.days[-3])
    found = standing_alarm(world.location.tables(), "toy/alarms")
    assert found is not None
    assert (found.kind, str(found.since), found.most_drifted) == ("drift", world.days[-3], "wind")
