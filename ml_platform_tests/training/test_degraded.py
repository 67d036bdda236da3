"""Degraded days are neither learnt from nor judged by, unless a model allows it; then it is degraded itself."""

import datetime as dt
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest

from ml_platform.recovery.degradation import Degradation, Degradations
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.pins import Pins
from ml_platform.training.config import ModelConfig
from ml_platform.training.gate import GateConfig, made_from_degraded
from ml_platform.training.records import Inputs, ModelVersion
from ml_platform.training.splits import windows_at
from ml_platform.training.training_run import training_fingerprint
from ml_platform.training.training_set import read_rows, resolve_inputs
from ml_platform_tests.training.scenario import MARCH, departures, publish, toy_model
from ml_platform_tests.training.test_pipeline import checks, told, train

DAY = "2013-01-10"
ALLOWED = toy_model(allow_degraded=True)


class World(NamedTuple):
    """The published toy tables, of which one day of features is degraded."""

    location: StorageLocation

    @property
    def ledger(self) -> Degradations:
        return Degradations(self.location.artifacts())

    def inputs(self, config: ModelConfig, run: str) -> Inputs:
        pins = Pins(self.location.artifacts(), self.location.tables(), run)
        return resolve_inputs(pins, "toy", config, MARCH)

    def days(self, inputs: Inputs, config: ModelConfig) -> set[str]:
        """The days that are learnt from."""
        rows = read_rows(self.location.tables(), inputs, config, None, MARCH).frame
        return {str(day) for day in rows["service_date"]}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(StorageLocation.of(Settings(home=tmp_path)))
    publish(world.location.tables(), departures(days=100, each_day=40))
    mark = Degradation(
        table="toy/features",
        partition=DAY,
        rung="inherited",
        reason="Its weather is not there.",
        since=dt.datetime(2013, 1, 11, tzinfo=dt.UTC),
        run_id="run",
    )
    world.ledger.mark([mark])
    return world


def fingerprint_of(inputs: Inputs, config: ModelConfig) -> str:
    return training_fingerprint(config, inputs, windows_at(MARCH, "America/New_York", config.windows))


def test_a_degraded_day_is_left_out_of_both_tables_and_counted(world: World) -> None:
    inputs = world.inputs(toy_model(), "run")
    assert inputs.features.left_out_days == inputs.labels.left_out_days == (DAY,)
    assert (inputs.features.days, inputs.features.left_out_rows, inputs.degraded_days) == (58, 40, ())
    assert DAY not in world.days(inputs, toy_model())


def test_when_the_day_is_sound_again_it_is_learnt_from_again(world: World) -> None:
    before = world.inputs(toy_model(), "run")
    world.ledger.clear("toy/features", [DAY])
    after = world.inputs(toy_model(), "later")
    assert DAY in world.days(after, toy_model())
    assert fingerprint_of(before, toy_model()) != fingerprint_of(after, toy_model())


def test_a_run_that_reads_an_earlier_version_leaves_out_what_was_degraded_then(world: World) -> None:
    pinned = Pins(world.location.artifacts(), world.location.tables(), "run")
    pinned.pin("toy/features")
    world.ledger.clear("toy/features", [DAY], until=1)
    assert world.inputs(toy_model(), "run").features.left_out_days == (DAY,)


def test_a_model_that_allows_it_learns_from_the_day_and_has_another_fingerprint(world: World) -> None:
    degraded = world.inputs(ALLOWED, "run")
    world.ledger.clear("toy/features", [DAY])
    sound = world.inputs(ALLOWED, "later")
    assert degraded.degraded_days == (DAY,)
    assert degraded.features.content_root == sound.features.content_root
    assert fingerprint_of(degraded, ALLOWED) != fingerprint_of(sound, ALLOWED)


def test_a_model_made_from_degraded_days_is_marked_warned_of_and_not_approved(world: World) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = train(world.location.settings, instance, "2013-03-01", ALLOWED)
        version = ModelVersion.model_validate_json(
            world.location.artifacts().read("records/toy/delay_model_version/2013-03-01.json")
        )
        assert not version.decision.approved
        assert checks(result)["is_not_degraded"] is False
        reason = world.ledger.of("toy/delay_model")["2013-03-01"].reason
        assert told(result)["ml_platform/degraded"].value == reason
        assert world.ledger.of("toy/delay_model")["2013-03-01"].causes == (f"toy/features {DAY}",)


def test_the_gate_promotes_a_degraded_model_only_where_it_is_told_to() -> None:
    refused, allowed = (made_from_degraded([DAY], GateConfig(allow_degraded=allow)) for allow in (False, True))
    assert [(each.check, each.passed) for each in (*refused, *allowed)] == [
        ("is_not_degraded", False),
        ("is_not_degraded", True),
    ]
    assert made_from_degraded([], GateConfig()) == []
