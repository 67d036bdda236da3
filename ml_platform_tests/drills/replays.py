"""A replay of real flights on the platform's own locations, while its daemon and its code servers are killed.

Belongs here: the kills, and what is left compared with the demonstration, which nothing disturbs. Does not: the replay.
"""

import datetime as dt
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from ml_platform.demo.summary import collect
from ml_platform.execution.launch import platform_location
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform_tests.drills.drill import Drill, DrillResult
from ml_platform_tests.drills.platform import Platform, platform, until

FIRST, DAYS, SPEED = dt.date(2013, 10, 14), 24, 2880.0
KILLS = 50
LONGEST_LIFE_SECONDS = 20.0
PATIENCE_SECONDS = 5_400.0
LOCATIONS = tuple(platform_location(name) for name in ("data", "training", "serving"))
TABLES = tuple(
    f"flights/{name}"
    for name in (
        *("raw", "clean", "quarantine", "weather_raw", "weather_clean", "weather_quarantine"),
        *("delay_labels", "delay_features", "delay_predictions", "delay_quality", "delay_drift", "delay_alarms"),
    )
)
ENVIRONMENT = {"ML_PLATFORM_SENSORS": "all", "ML_PLATFORM_SENSOR_INTERVAL_SECONDS": "5"}


def replay_under_kills(folder: Path, kills: int = KILLS) -> DrillResult:
    """Days land one by one; at random moments the daemon, or a code server with the sensors in it, is killed."""
    demonstration = folder / "demonstration"
    _run("demo", home=demonstration).check_returncode()
    draw, killed = random.Random(0), Counter[str]()
    with platform(folder, locations=LOCATIONS, environment=ENVIRONMENT) as p:
        command = ["replay", "flights", "--from", str(FIRST), "--days", str(DAYS), "--speed", str(SPEED)]
        with (folder / "replay.log").open("wb") as log:
            replay = subprocess.Popen(_command(command), env=p.environment, stdout=log, stderr=log)
        until("history has landed", lambda: b"landed at once" in (folder / "replay.log").read_bytes())
        while killed.total() < kills and replay.poll() is None:
            time.sleep(draw.uniform(0, LONGEST_LIFE_SECONDS))
            killed[_kill_one(p, draw)] += 1
        left_alone = time.monotonic()
        code = replay.wait(PATIENCE_SECONDS)
        seconds = time.monotonic() - left_alone
        wrong = [*(["the replay failed, see replay.log"] if code else []), *_differences(p.settings, demonstration)]
        twice = [f"{name} {day}" for name, day in _made_twice(p.instance)]
    return DrillResult(
        fault=f"kill -9 of the daemon {killed['daemon']} times and of a code server {killed['code server']} times, at "
        f"random moments of a replay of {DAYS} days of real flights over the end of a month",
        what_happened="every day is ingested, predicted and measured, and the month trained and promoted, as in the "
        f"demonstration, to the same hashes and model bytes; {len(twice)} days of raw tables were ingested twice",
        attempts=1 + killed.total(),
        seconds_to_recovery=seconds,
        recomputed=", ".join(twice) or "nothing",
        served="what was published",
        lost="; ".join(wrong),
    )


def _kill_one(p: Platform, draw: random.Random) -> str:
    """Kill the daemon and start another, or kill a code server, which the daemon has to notice; which of the two."""
    servers = p.code_servers()
    if servers and draw.random() < 1 / 3:
        p.kill(draw.choice(servers))
        return "code server"
    p.kill_daemon()
    p.start()
    return "daemon"


def _differences(settings: Settings, demonstration: Path) -> Iterator[str]:
    """What is not as the demonstration has it: days of tables, and models."""
    there, last = Settings(home=demonstration), str(FIRST + dt.timedelta(days=DAYS - 1))
    here, wanted = (StorageLocation.of(each).tables() for each in (settings, there))
    for name in TABLES:
        found, right = here.published(name), {day: s for day, s in wanted.published(name).items() if day <= last}
        if differ := [day for day in right if found.get(day) != right[day]]:
            yield f"{name} differs in {len(differ)} of {len(right)} days, first {differ[0]}"
    models, right_models = (
        {m.as_of: m.version and m.version.sha256 for m in collect(s).models} for s in (settings, there)
    )
    yield from (f"the model as of {month} differs" for month in models if models[month] != right_models.get(month))
    if not models:
        yield "no model was trained"


def _made_twice(instance: dg.DagsterInstance) -> Iterator[tuple[str, str]]:
    """Days of the raw tables that were materialized more than once."""
    for name in ("raw", "weather_raw"):
        key = dg.AssetKey(["flights", name])
        for day in sorted(instance.get_materialized_partitions(key)):
            asked = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[day])
            if len(instance.fetch_materializations(asked, limit=2).records) > 1:
                yield name, day


def _run(*command: str, home: Path) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, "ML_PLATFORM_HOME": str(home)}
    return subprocess.run(_command(list(command)), env=environment, stdout=subprocess.DEVNULL)


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-W", "ignore", "-c", "from ml_platform.cli import main; main()", *arguments]


DRILLS = [Drill("replay", replay_under_kills)]
