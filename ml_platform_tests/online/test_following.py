"""The service follows champions and tables, and goes on with what it has when it cannot."""

import datetime as dt
import math
import shutil
from pathlib import Path

import polars as pl
import pytest

from ml_platform.errors import NotReadyError, PlatformError
from ml_platform.online.following import Follower
from ml_platform.online.service import OnlineService, Predicted
from ml_platform.recovery.degradation import Degradation, Degradations
from ml_platform.serving.rungs import Answerer
from ml_platform_tests.online.scenario import DAYS, OnlineWorld, batch, flights, request, weather
from ml_platform_tests.scenario import FIRST_DAY, Flight, clean_flights

LAST_DAY = FIRST_DAY + dt.timedelta(days=DAYS - 1)


@pytest.fixture
def world(tmp_path: Path) -> OnlineWorld:
    """Four days of tables, and version 1 as champion."""
    made = OnlineWorld(tmp_path)
    made.promote(1)
    return made


@pytest.fixture
def follower(world: OnlineWorld) -> Follower:
    """A follower that answers with version 1."""
    made = world.follower()
    made.look()
    return made


def ask(follower: Follower, rows: pl.DataFrame | None = None) -> Predicted:
    """The answer for all flights of the toy world, or those of `rows`."""
    return OnlineService(follower, most_rows=1000).predict(request(rows))


def answered(follower: Follower) -> tuple[int | None, str, bool]:
    """Version and rung that answer, and whether the rows are flagged for it."""
    row = ask(follower).dicts()[0]
    return row["model_version"], row["model_rung"], "model" in row["degraded"]


def take_away(world: OnlineWorld) -> None:
    """Have the store and the registry gone."""
    for uri in (world.settings.data_uri, world.settings.artifact_uri):
        shutil.rmtree(uri.removeprefix("file://"))


def restarted(world: OnlineWorld) -> Follower:
    """A process that starts, before it has looked."""
    made = world.follower()
    made.start()
    return made


def test_predictions_equal_those_of_the_batch_to_the_bit(follower: Follower) -> None:
    told = ask(follower)
    assert told.columns["probability"] == batch(1)
    assert (told.degraded_rows, told.reasons) == (0, [])


def test_a_newly_promoted_version_answers_after_the_next_look(world: OnlineWorld, follower: Follower) -> None:
    world.promote(2)
    assert answered(follower) == (1, "champion", False)
    follower.look()
    assert ask(follower).columns["probability"] == batch(2)


def test_records_that_are_gone_withdraw_nobody(world: OnlineWorld, follower: Follower) -> None:
    shutil.rmtree(f"{world.settings.artifact_uri.removeprefix('file://')}/records")
    with pytest.raises(PlatformError, match="no promotion record of flights_delay any more"):
        follower.look()
    assert answered(follower) == (1, "champion", False)
    assert answered(restarted(world)) == (1, "champion", False)


def test_a_request_that_has_begun_is_answered_by_what_answered_then(world: OnlineWorld, follower: Follower) -> None:
    before = follower.now
    world.promote(2)
    follower.look()
    assert [month.champion.version for month in (*before.champions.months, *follower.now.champions.months)] == [1, 2]


def test_a_rollback_reaches_the_service_without_loading_anything(world: OnlineWorld, follower: Follower) -> None:
    world.promote(2)
    follower.look()
    world.roll_back()
    shutil.rmtree(Path(world.settings.artifact_uri.removeprefix("file://")) / "models")
    follower.look()
    assert answered(follower) == (1, "champion", False)


def test_a_version_whose_bytes_are_damaged_takes_no_place_and_the_one_before_answers_flagged(
    world: OnlineWorld, follower: Follower
) -> None:
    world.damage(world.promote(2))
    follower.look()
    assert answered(follower) == (1, "last_known_good", True)
    assert "champion 2 cannot be used" in follower.unusable()[0]


def test_a_version_answers_once_its_bytes_are_restored(
    world: OnlineWorld, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_platform.online.following.TRY_AGAIN_SECONDS", 0.0)
    version = world.promote(2)
    path = version.uri.removeprefix(f"{world.artifacts.uri}/")
    sound = world.artifacts.read(path)
    world.damage(version)
    follower.look()
    world.artifacts.write(path, sound)
    follower.look()
    assert answered(follower) == (2, "champion", False)


def test_a_champion_that_breaks_at_run_time_gives_way_and_the_baseline_is_the_last(follower: Follower) -> None:
    month = follower.now.champions.months[0]
    broken = Answerer("champion", month.champion, (), lambda rows: rows["not there"].to_numpy())
    rungs = (broken, *month.rungs[1:])
    follower.now = follower.now._replace(champions=type(follower.now.champions)((month._replace(rungs=rungs),)))
    told = ask(follower)
    assert set(told.columns["model_rung"]) == {"baseline"}
    assert set(pl.Series(told.columns["probability"]).filter(flights()["carrier"] == "AA")) == {0.25}
    assert "champion 1 raised ColumnNotFoundError" in told.reasons[0]


def test_with_the_store_and_the_registry_gone_it_answers_as_before(world: OnlineWorld, follower: Follower) -> None:
    before = ask(follower).columns
    take_away(world)
    with pytest.raises(PlatformError):
        follower.look()
    assert ask(follower).columns == before


def test_it_starts_again_while_everything_else_is_down(world: OnlineWorld, follower: Follower) -> None:
    before = ask(follower).columns
    take_away(world)
    restarted = world.follower()
    restarted.start()
    assert ask(restarted).columns == before
    assert restarted.now.looked_at is None


def test_a_damaged_copy_is_not_answered_with(world: OnlineWorld, follower: Follower) -> None:
    [kept] = follower.copy.objects.list("models")
    follower.copy.objects.write(kept.path, b"?")
    take_away(world)
    restarted = world.follower()
    restarted.start()
    assert answered(restarted) == (None, "baseline", True)


def test_with_nothing_kept_and_nothing_there_it_is_not_ready(tmp_path: Path) -> None:
    follower = OnlineWorld(tmp_path).follower()
    with pytest.raises(NotReadyError, match="a history of the tables and a champion"):
        ask(follower)


def test_a_corrected_day_is_in_the_features_after_the_next_look(world: OnlineWorld, follower: Follower) -> None:
    before = follower.now.history
    world.publish(
        clean_flights(*(Flight(day=day, departure_delay=60, arrival_delay=60) for day in range(DAYS))), weather()
    )
    follower.look()
    assert follower.now.history is not before
    rows = follower.now.history.features(flights().tail(1)) if follower.now.history else pl.DataFrame()
    assert rows["network_arrival_delay_minutes_1d"].to_list() == [60.0]


def test_rows_of_a_day_that_is_not_published_are_flagged(follower: Follower) -> None:
    tomorrow = clean_flights(Flight(day=DAYS))
    told = ask(follower, tomorrow)
    assert told.columns["degraded"] == [["features"]]
    assert told.reasons == [f"{LAST_DAY + dt.timedelta(days=1)} is answered without flights/clean 2013-01-14, "
                            "without flights/weather_clean 2013-01-14"]  # fmt: skip


def test_rows_are_flagged_while_a_day_that_they_look_at_is_degraded(world: OnlineWorld, follower: Follower) -> None:
    ledger, day = Degradations(world.artifacts), str(LAST_DAY)
    mark = Degradation(
        table="flights/weather_clean",
        partition=day,
        rung="last_known",
        reason="no weather arrived",
        since=dt.datetime.now(dt.UTC),
        run_id="run",
    )
    ledger.mark([mark])
    follower.look()
    told = ask(follower)
    assert {row["degraded"] != [] for row in told.dicts()} == {True, False}
    assert told.reasons == [
        f"{day} is answered with flights/weather_clean {day}, which is degraded (last_known: no weather arrived)"
    ]
    assert restarted(world).now.history.marks == follower.now.history.marks  # type: ignore[union-attr]
    ledger.clear("flights/weather_clean", [day], until=world.tables.version("flights/weather_clean"))
    follower.look()
    assert ask(follower).degraded_rows == 0


def test_a_version_that_was_loaded_without_golden_rows_is_tried_once_there_are_some(
    world: OnlineWorld, follower: Follower
) -> None:
    untried = world.follower()
    untried.now = untried.now._replace(champions=untried._champions(follower.copy.champions()))
    [month] = untried.now.champions.months
    assert month.rungs[0].seconds_alone == math.inf
    untried.look()
    assert untried.now.champions.newest.rungs[0].seconds_alone < math.inf
