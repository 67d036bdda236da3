"""A champion whose bytes are damaged, and then the version before it too, until both are restored."""

import time
from pathlib import Path

import polars as pl

from ml_platform.execution.launch import CodeLocation, PartitionRange, RunRequest, queue_job
from ml_platform.operations.look import look
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.serving.rungs import path_of
from ml_platform_tests.drills.drill import Drill, DrillResult
from ml_platform_tests.drills.platform import Platform, platform, until
from ml_platform_tests.serving.scenario import NAME, World, flights

SERVING = CodeLocation("serving", "ml_platform.serving.definitions")
OPERATIONS = CodeLocation("operations", "ml_platform.operations.definitions")
PREDICT, PREDICTIONS = "predict_flights_delay_predictions", "flights/delay_predictions"
DAYS = ("2013-11-01", "2013-11-02")


def prepare(p: Platform) -> tuple[World, dict[str, str]]:
    """Two days predicted by the champion of November, and their content hashes once new features have come."""
    world = World(p.home, p.instance)
    world.land(DAYS)
    world.promote("2013-10-01", "2013-11-01")
    new_features(world)
    world.run("delay_predictions", *DAYS)
    undisturbed = hashes(world)
    world.land(DAYS)
    world.run("delay_predictions", *DAYS)
    return world, undisturbed


def new_features(world: World) -> None:
    """What has to be predicted from anew."""
    world.publish("delay_features", flights(DAYS).with_columns(pl.col("hour") + 0.5), DAYS)


def hashes(world: World) -> dict[str, str]:
    """Content hash of each predicted day."""
    return {day: state.content_hash for day, state in world.location.tables().partitions(PREDICTIONS).items()}


def rungs(world: World) -> set[str]:
    """Who answers for the rows that readers see."""
    return set(world.table("delay_predictions")["model_rung"])


def damage(world: World, version: int) -> tuple[str, bytes]:
    """The path and the sound bytes of a version, one byte of which was changed."""
    artifacts = world.location.artifacts()
    path = path_of(world.tracking.registry.get(NAME, version), artifacts)
    data = artifacts.read(path)
    artifacts.write(path, data[:-1] + b"?")
    return path, data


def predict(p: Platform) -> None:
    """Both days predicted by the daemon."""
    run = queue_job(p.instance, RunRequest(SERVING, PREDICT, partitions=PartitionRange(*DAYS)))
    p.until_over(run.run_id)


def alerted(p: Platform, rung: str) -> bool:
    """Whether an alert about predictions on that rung is open."""
    alerts = [each.alert for each in AlertCenter(p.settings).open()]
    return any(each.kind == "degraded" and each.subject == PREDICTIONS and each.error == rung for each in alerts)


def champion_damaged(folder: Path) -> DrillResult:
    """Both rungs below the champion answer in turn; restored bytes are found without anybody's doing."""
    environment = {"ML_PLATFORM_SENSORS": "recompute", "ML_PLATFORM_ALERT_INTERVAL_SECONDS": "5"}
    with platform(folder, locations=(SERVING, OPERATIONS), environment=environment, start=False) as p:
        world, undisturbed = prepare(p)
        p.start()
        sound, seen = [damage(world, 2)], list[str]()
        new_features(world)
        predict(p)
        seen += rungs(world)
        until("the alert is open", lambda: alerted(p, "last_known_good"))
        found = look(p.settings, p.instance).use_cases[0].of("degraded")
        told = {each.rung for each in found if each.rung != "inherited"}
        sound.append(damage(world, 1))
        predict(p)
        seen += rungs(world)
        until("the alert is open", lambda: alerted(p, "baseline"))
        for path, data in sound:
            world.location.artifacts().write(path, data)
        restored = time.monotonic()
        until("the champion answers again", lambda: rungs(world) == {"champion"})
        seconds = time.monotonic() - restored
        until("the alerts are over", lambda: not AlertCenter(p.settings).open())
        wrong = [] if hashes(world) == undisturbed else ["the predictions differ from undisturbed ones"]
        wrong += [] if seen == ["last_known_good", "baseline"] else [f"who answered: {seen}"]
        wrong += [] if told == {"last_known_good"} else [f"what status told: {told}"]
    return DrillResult(
        fault="the champion's bytes are damaged, then those of the version before it",
        what_happened="the version before it answers, then the baseline; once the bytes are restored, a sensor has the "
        "days predicted again",
        attempts=1,
        seconds_to_recovery=seconds,
        recomputed="the degraded days, and their quality",
        served="the last known good, then the baseline, each row and day marked",
        alerts="one for each rung; both resolved",
        lost="; ".join(wrong),
    )


DRILLS = [Drill("champion-damaged", champion_damaged)]
