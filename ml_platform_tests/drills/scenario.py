"""The toy world of the drills: one day is published, its landing object is corrected, and a run is to publish it anew.

Belongs here: what is there before, what an undisturbed run leaves, and a reader that watches the table meanwhile.
"""

import datetime as dt
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import dagster as dg

from ml_platform.data.pipeline import build_pipeline
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform.storage.tables import TableStore
from ml_platform_tests.data.landing_zone import flight_line, flights_object, land_days
from ml_platform_tests.data.test_pipeline import pipeline, use_case
from ml_platform_tests.training.scenario import departures, publish

DAYS = [dt.date(2013, 3, day) for day in (5, 6, 7, 8)]
DAY = DAYS[0]
TABLES = tuple(
    f"flights/{name}" for name in ("raw", "weather_raw", "clean", "weather_clean", "delay_labels", "delay_features")
)
READ = "flights/clean"
_FOLDERS = {"data": "lake", "landing": "landing", "artifact": "artifacts"}


class Reader:
    """Reads one day of the cleaned table over and over; `seen` has each state once, in the order they were seen."""

    def __init__(self, tables: TableStore) -> None:
        self._tables, self._stop = tables, threading.Event()
        self.seen: list[str] = []
        self.reads = 0
        self._thread = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        while not self._stop.is_set():
            state = rows_hash(self._tables)
            self.reads += 1
            if state not in self.seen:
                self.seen.append(state)
            time.sleep(0.2)

    def served(self, old: str, new: str) -> str:
        """What readers saw, in words; says so if it was ever anything but the whole old day or the whole new one."""
        if torn := [state for state in self.seen if state not in (old, new)]:
            return f"TORN: {len(torn)} states that are neither old nor new"
        words = {old: "the old day", new: "the new day"}
        return f"{' then '.join(words[state] for state in self.seen)}, whole ({self.reads} reads)"


@contextmanager
def reading(tables: TableStore) -> Iterator[Reader]:
    """A reader, for as long as the block takes."""
    reader = Reader(tables)
    reader._thread.start()
    try:
        yield reader
    finally:
        reader._stop.set()
        reader._thread.join()


def rows_hash(tables: TableStore) -> str:
    """One number for all rows of the day in the cleaned table."""
    rows = tables.scan(READ, partitions=[str(DAY)]).collect()
    return f"{rows.height} rows, {rows.hash_rows().sum()}" if rows.height else "no row"


def correct(settings: Settings, day: dt.date = DAY) -> None:
    """The upstream lands the day again: one flight more, and another delay."""
    more = flight_line(day, 300, delay=20)
    StorageLocation.of(settings).landing().write(f"flights/flights/{day}.csv", flights_object(day, [more]))


def prepare(home: Path) -> None:
    """A home whose first day is published and then corrected in the landing zone, and that has departures to learn."""
    shutil.copytree(_prepared(), home, dirs_exist_ok=True)


@cache
def undisturbed() -> Mapping[str, str]:
    """Content hash of each partition, and what readers see, after every day was built and nothing disturbed it."""
    with _temporary_home() as home:
        prepare(home)
        _build(_local(home), *DAYS)
        return content(StorageLocation.of(_local(home)).tables())


@cache
def before() -> Mapping[str, str]:
    """The same before the run."""
    return content(StorageLocation.of(_local(_prepared())).tables())


def content(tables: TableStore) -> dict[str, str]:
    """Content hash of each partition by "<table> <day>", and under `rows` what a reader sees of the day."""
    hashes = {f"{name} {day}": s.content_hash for name in TABLES for day, s in tables.partitions(name).items()}
    return {**hashes, "rows": rows_hash(tables)}


def lost(home: Path, *days: dt.date) -> str:
    """What differs from an undisturbed run in these days (the first unless said), in words; empty if nothing does."""
    return lost_in(StorageLocation.of(_local(home)).tables(), *days)


def lost_in(tables: TableStore, *days: dt.date) -> str:
    """The same of these tables."""
    wanted, found = undisturbed(), content(tables)
    names = [f"{name} {day}" for name in TABLES for day in days or (DAY,)]
    return ", ".join(name for name in names if found.get(name) != wanted[name])


@cache
def _prepared() -> Path:
    home = Path(tempfile.mkdtemp(prefix="drills-"))
    prepare_at(_local(home))
    publish(StorageLocation.of(_local(home)).tables(), departures(days=60, each_day=30))
    return home


def prepare_at(settings: Settings) -> None:
    """The first day published and then corrected, wherever `settings` say."""
    land_days(StorageLocation.of(settings).landing(), DAYS)
    _build(settings, DAY, job="refresh_flights_references")
    _build(settings, DAY)
    correct(settings)


def _build(settings: Settings, *days: dt.date, job: str = "build_flights_days") -> None:
    """One run in this process."""
    resources = dg.Definitions(resources=storage_resources(settings), executor=dg.in_process_executor)
    definitions = dg.Definitions.merge(build_pipeline(pipeline(), use_case()), resources)
    tags = {f"dagster/asset_partition_range_{e}": str(days[i]) for e, i in (("start", 0), ("end", -1))}
    with dg.DagsterInstance.ephemeral() as instance:
        is_daily = job == "build_flights_days"
        assert definitions.resolve_job_def(job).execute_in_process(instance=instance, tags=tags if is_daily else {})


@contextmanager
def _temporary_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="drills-") as name:
        yield Path(name)


def _local(home: Path) -> Settings:
    """Everything below `home`, whatever the environment of a drill says."""
    places = {f"{name}_uri": f"file://{home}/{folder}" for name, folder in _FOLDERS.items()}
    return Settings(home=home, mlflow_tracking_uri=f"sqlite:///{home}/mlflow/mlflow.db", **places)
