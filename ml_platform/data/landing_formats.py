"""Landing bytes to a frame of undecided values: text for CSV and JSON lines, typed for Parquet and for rows.

Belongs here: whether an object is whole and of its declared format. Does not: unpacking it (`landing_packing`), or what
its columns mean (`landing`).
"""

import csv
import io
import json
from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from ml_platform.data.landing_packing import unpacked, unreadable
from ml_platform.data.landing_paths import LandingFormat
from ml_platform.data.sources import KEPT, LAND_AGAIN, Part
from ml_platform.errors import LandingColumnsError, LandingObjectEmptyError


class Undecided(NamedTuple):
    """The rows of one part before its contract is applied."""

    frame: pl.DataFrame
    line_of: Callable[[int], str]  # where row `i`, counted from 0, stands in the part, for a message


class Reading(NamedTuple):
    """How objects are read: their format, the texts that mean null, and what stands between the fields of a CSV."""

    format: LandingFormat = "csv"
    null_values: tuple[str, ...] = ("NA",)
    separator: str = ","


def read_undecided(part: Part, reading: Reading) -> Undecided:
    """All rows of a part, of which there may be none; text columns unless the part has types of its own.

    Raises: LandingObjectEmptyError for an object without even columns, LandingObjectUnreadableError,
        LandingColumnsError for a column that is named twice.
    """
    if isinstance(part.data, pl.DataFrame):
        return Undecided(part.data, lambda row: f"row {row + 1}")
    data = unpacked(part.data, part.name)
    if not data:
        raise empty(part.name, "0 bytes")
    if reading.format == "parquet":
        return _read_parquet(data, part.name)
    text = _decode(data, part.name)
    if reading.format == "jsonl":
        return _read_json_lines(text, part.name)
    return _read_csv(text, part.name, reading)


def empty(name: str, got: str) -> LandingObjectEmptyError:
    """The error for what holds no row."""
    return LandingObjectEmptyError(
        f"{name} is empty",
        expected="a row of data or more",
        got=got,
        kept=KEPT,
        remedy="Have the upstream land it again; if the day truly has no rows, remove the object and "
        "list the day under days_without_object in defs.yaml, or declare may_be_empty",
    )


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        got = f"byte {data[error.start]:#04x} in line {line}"
        raise unreadable(name, "is not text", expected="UTF-8", got=got) from error


def _read_csv(text: str, name: str, reading: Reading) -> Undecided:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=reading.separator)
    try:
        header = next(rows, [])
        records = [(len(row), rows.line_num) for row in rows]
    except csv.Error as error:
        raise unreadable(name, f"cannot be read as CSV at line {rows.line_num}", got=str(error)) from error
    _require_whole_lines(records, len(header), ends_whole=text.endswith("\n"), name=name)
    if twice := [str(i) for i, column in enumerate(header, start=1) if header.count(column) > 1]:
        got = f"the same name for columns {', '.join(twice)}"  # without a header these are values, so they are not told
        raise LandingColumnsError(f"{name} names a column twice", got=got, kept=KEPT, remedy=LAND_AGAIN)
    try:
        frame = pl.read_csv(
            text.encode(), infer_schema=False, null_values=list(reading.null_values), separator=reading.separator
        )
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError) as error:
        raise unreadable(name, "cannot be read as CSV", got=str(error).splitlines()[0]) from error
    return Undecided(frame, lambda row: f"line {records[row][1]}")


def _require_whole_lines(records: list[tuple[int, int]], width: int, *, ends_whole: bool, name: str) -> None:
    ragged = [(fields, line) for fields, line in records if fields != width]
    last = records[-1] if records else (width, 1)
    if not ends_whole or (ragged == [last] and last[0] < width):
        raise unreadable(
            name,
            f"is truncated in line {last[1]}, its last",
            expected=f"{width} fields and a newline",
            got=f"{last[0]} fields" + ("" if ends_whole else " and no newline"),
        )
    if ragged:
        fields, line = ragged[0]
        raise unreadable(
            name,
            f"has {len(ragged)} of {len(records)} lines with another number of fields than its header",
            expected=f"{width} fields",
            got=f"{fields} in line {line}" + (", the first of them" if len(ragged) > 1 else ""),
        )


def _read_json_lines(text: str, name: str) -> Undecided:
    """One JSON object a line; a key that a line leaves out is null there."""
    records = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):  # a text may hold other line breaks
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise unreadable(name, f"is truncated or not JSON in line {number}", got=error.msg) from error
        if not isinstance(record, dict):
            raise unreadable(
                name, f"has no record in line {number}", expected="a JSON object", got=f"a {type(record).__name__}"
            )
        records.append({key: _as_text(value) for key, value in record.items()})
    columns = {key: pl.String for record in records for key in record}
    if not columns:
        raise empty(name, "no record")
    return Undecided(pl.DataFrame(records, schema=columns), lambda row: f"line {row + 1}")


def _as_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _read_parquet(data: bytes, name: str) -> Undecided:
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.ComputeError, OSError) as error:
        raise unreadable(name, "is truncated or not Parquet", got=str(error).splitlines()[0]) from error
    return Undecided(frame, lambda row: f"row {row + 1}")
