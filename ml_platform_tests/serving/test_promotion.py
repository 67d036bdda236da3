"""Promotion: the gate's word is carried out, and every day finds its champion."""

import datetime as dt

import pytest

from ml_platform.errors import ModelNotFoundError, NoChampionError
from ml_platform.serving.promotion import Promotion, champions_by_day
from ml_platform.tracking.registry import RegisteredModel
from ml_platform_tests.serving.scenario import NAME, World


def promotion(month: int, champion: int | None) -> Promotion:
    """A record of 2013; `champion` is the month whose version answers from then on."""
    version = RegisteredModel(
        name=NAME,
        version=month,
        as_of=dt.date(2013, month, 1),
        uri="",
        sha256="",
        fingerprint="",
        run_id="",
        gate="approved",
    )
    answering = version.model_copy(update={"version": champion}) if champion else None
    return Promotion(as_of=version.as_of, candidate=version, is_promoted=True, reason="", champion=answering)


def test_an_approved_version_becomes_champion_and_links_to_its_run(world: World) -> None:
    version = world.register("2013-10-01")
    told = world.metadata(world.run("delay_champion", "2013-10-01"))
    assert (told["promoted"], told["champion"]) == (True, "version 1, as of 2013-10-01")
    assert told["mlflow_run"].endswith(version.run_id)
    assert world.tracking.registry.require_champion(NAME).version == 1


def test_a_refused_version_leaves_the_champion_and_tells_the_reason(world: World) -> None:
    world.promote("2013-10-01")
    world.register("2013-11-01", "refused")
    told = world.metadata(world.run("delay_champion", "2013-11-01"))
    assert (told["promoted"], told["reason"]) == (False, "worse than the baselines")
    assert told["champion"] == "version 1, as of 2013-10-01"
    assert world.tracking.registry.require_champion(NAME).version == 1


def test_several_months_are_promoted_in_one_run(world: World) -> None:
    for month in ("2013-10-01", "2013-11-01"):
        world.register(month)
    world.run("delay_champion", "2013-10-01", "2013-11-01")
    assert world.tracking.registry.require_champion(NAME).version == 2


def test_promoting_again_gives_the_same_record(world: World) -> None:
    world.promote("2013-10-01")
    path = "records/flights/delay_champion/2013-10-01.json"
    first = world.location.artifacts().read(path)
    world.promote("2013-11-01")
    world.run("delay_champion", "2013-10-01")
    assert world.location.artifacts().read(path) == first


def test_a_month_without_a_version_is_told(world: World) -> None:
    world.register("2013-10-01")
    with pytest.raises(ModelNotFoundError, match="no version as of 2013-12"):
        world.run("delay_champion", "2013-12-01")


def test_a_day_has_the_champion_of_the_last_record_up_to_it() -> None:
    days = [dt.date(2013, 10, 31), dt.date(2013, 11, 1), dt.date(2013, 12, 31)]
    found = champions_by_day([promotion(11, 10), promotion(10, 10), promotion(12, 12)], days)
    assert [found[day].version for day in days] == [10, 10, 12]


def test_days_before_the_first_champion_are_named() -> None:
    days = [dt.date(2013, 9, 29), dt.date(2013, 9, 30), dt.date(2013, 10, 1)]
    with pytest.raises(NoChampionError, match="2 of 3 days have no champion, 2013-09-29 to 2013-09-30"):
        champions_by_day([promotion(9, None), promotion(10, 10)], days)
