"""What the landing sensors see, on local files and on S3, without a run."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ml_platform.components.automation import Wanted, short
from ml_platform.data.arrivals import PATIENCE, arrived_partitions, arrived_registers, look
from ml_platform.data.component import LandedTable, SourceFallback
from ml_platform.settings import Settings
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.memo import Made, Memo

DAY, NEXT = "2013-03-05", "2013-03-06"


def landed(name: str, landing: str = "", **more: object) -> LandedTable:
    described = {"name": name, "description": "Toy.", "landing": landing or f"{name}/{{day}}.csv", "contract": "c:C"}
    return LandedTable.model_validate(described | more)


DAILY = (landed("raw"), landed("weather", days_without_object=[NEXT]))


def write(settings: Settings, *paths: str, data: bytes = b"x") -> None:
    for path in paths:
        StorageLocation(settings).landing().write(path, data)


def days(
    settings: Settings, seen: dict[str, str] | None = None, tables: Sequence[LandedTable] = DAILY, **later: float
) -> Wanted:
    now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1) + dt.timedelta(**later)
    return arrived_partitions(look(StorageLocation(settings), "toy", tables, now), seen or {})


def ingest(settings: Settings, table: str, partition: str, data: bytes) -> None:
    """As the asset of a raw table leaves it: published, with the hash of its object in the memo."""
    location = StorageLocation(settings)
    key = None if partition == UNPARTITIONED else "day"
    published = location.tables().publish(f"toy/{table}", pl.DataFrame({"day": [partition]}), [partition], key=key)
    told = {"landing_sha256": hashlib.sha256(data).hexdigest()}
    made = {partition: Made("", published.content_hashes[partition], told)}
    Memo(location.artifacts(), f"toy/{table}").record(made)


def test_a_day_is_wanted_when_all_its_objects_are_there(anywhere: Settings) -> None:
    write(anywhere, f"raw/{DAY}.csv", f"weather/{DAY}.csv", f"raw/{NEXT}.csv", "raw/2013-03-07.csv")
    found = days(anywhere)
    assert set(found.contents) == {DAY, NEXT}
    assert found.waits == ["2013-03-07 waits for weather/2013-03-07.csv."]


def test_another_write_is_another_state(anywhere: Settings) -> None:
    write(anywhere, f"raw/{NEXT}.csv", data=b"before")
    before = days(anywhere).contents[NEXT]
    write(anywhere, f"raw/{NEXT}.csv", data=b"after!")
    assert days(anywhere).contents[NEXT] != before


def test_an_object_with_the_bytes_that_were_ingested_is_settled(anywhere: Settings) -> None:
    write(anywhere, f"raw/{NEXT}.csv")
    ingest(anywhere, "raw", NEXT, b"x")
    assert days(anywhere).settled == {NEXT}
    write(anywhere, f"raw/{NEXT}.csv", data=b"y")
    assert days(anywhere).settled == set()


def test_an_object_whose_state_was_seen_is_not_read(anywhere: Settings) -> None:
    write(anywhere, f"raw/{NEXT}.csv")
    ingest(anywhere, "raw", NEXT, b"x")
    seen = {NEXT: short(days(anywhere).contents[NEXT])}
    assert days(anywhere, seen).settled == set()


def test_an_object_that_left_is_told(anywhere: Settings) -> None:
    ingest(anywhere, "raw", DAY, b"x")
    assert days(anywhere).waits == [f"1 left the landing zone: raw/{DAY}.csv. What was ingested of them stands."]


def test_a_local_file_that_was_just_written_waits(anywhere: Settings) -> None:
    write(anywhere, f"raw/{NEXT}.csv")
    found = days(anywhere, seconds=-60)
    is_local = anywhere.landing_uri.startswith("file://")
    assert found.waits == ([f"Being written: raw/{NEXT}.csv."] if is_local else [])
    assert set(found.contents) == (set() if is_local else {NEXT})


def test_a_day_waits_some_hours_for_an_object_that_it_can_do_without(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    tables = (landed("raw"), landed("weather", fallback=SourceFallback(otherwise="empty")))
    write(settings, f"raw/{DAY}.csv")
    assert f"{DAY} waits for weather/{DAY}.csv, until" in days(settings, tables=tables).waits[0]
    assert set(days(settings, tables=tables, hours=PATIENCE.total_seconds() / 3600).contents) == {DAY}


def test_names_that_are_no_day_are_no_objects_of_the_table(anywhere: Settings) -> None:
    write(anywhere, "raw/readme.csv", "raw/2013-02-30.csv", f"raw/{DAY}.csv.part")
    assert days(anywhere) == Wanted({}, frozenset(), [])


def test_a_register_is_wanted_by_its_own_object(anywhere: Settings) -> None:
    tables = (landed("planes", "planes.csv"), landed("airlines", "airlines.csv"), landed("airports", "airports.csv"))
    write(anywhere, "planes.csv", "airlines.csv")
    ingest(anywhere, "planes", UNPARTITIONED, b"x")
    now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    found = arrived_registers(look(StorageLocation(anywhere), "toy", tables, now), {})
    assert set(found.contents) == {"planes", "airlines"}
    assert found.settled == {"planes"}
