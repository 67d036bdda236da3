"""Landing objects as an upstream corrects them: one value of a row is another one, so that everything follows anew."""

import csv
import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path

LAST_DAY = dt.date(2013, 12, 31)
CORRECTED = {"flights": "flight", "weather": "humid"}
"""By folder of the landing zone, the column that is corrected; flight numbers are in keys, so every table changes."""


def days_of(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """From `first` to `last`, both included."""
    for number in range((last - first).days + 1):
        yield first + dt.timedelta(days=number)


def correct(landing: Path, day: dt.date, value: int) -> None:
    """Set the value in the first row of the day's objects; weather has no object of the last day."""
    for folder, column in CORRECTED.items():
        path = landing / folder / f"{day}.csv"
        if path.exists():
            path.write_text(_with_value(path.read_text(), column, str(value)))


def _with_value(text: str, column: str, value: str) -> str:
    header, first, *rest = csv.reader(io.StringIO(text))
    first[header.index(column)] = value
    corrected = io.StringIO()
    csv.writer(corrected, lineterminator="\n").writerows([header, first, *rest])
    return corrected.getvalue()
