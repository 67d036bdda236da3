"""Landing bytes to a frame of undecided values: text for CSV and JSON lines, typed for Parquet.

Belongs here: whether an object is whole and of its declared format. Does not: what its columns mean (`landing`).
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import polars as pl

from ml_platform.errors import LandingColumnsError, LandingObjectEmptyError, LandingObjectUnreadableError

LandingFormat = Literal["csv", "csv.gz", "jsonl", "parquet"]

KEPT = "Nothing of it was ingested; what was published before stands"
LAND_AGAIN = "Have the upstream land the whole object again; the next run ingests it"


class Undecided(NamedTuple):
    """The rows of one object before its contract is applied."""

    frame: pl.DataFrame
    line_of: Callable[[int], str]  # where row `i`, counted from 0, stands in the object, for a message


def read_undecided(data: bytes, *, name: str, fmt: LandingFormat, null_values: Sequence[str]) -> Undecided:
    """All rows of an object; text columns unless the format has types of its own.

    Raises: LandingObjectEmptyError, LandingObjectUnreadableError, LandingColumnsError for a column that is named twice.
    """
    if not data:
        raise empty(name, "0 bytes")
    if fmt == "parquet":
        return _read_parquet(data, name)
    text = _decode(_gunzip(data, name) if fmt == "csv.gz" else data, name)
    if fmt == "jsonl":
        return _read_json_lines(text, name)
    return _read_csv(text, name, null_values)


def empty(name: str, got: str) -> LandingObjectEmptyError:
    """The error for an object that holds no row."""
    return LandingObjectEmptyError(
        f"{name} is empty",
        expected="a row of data or more",
        got=got,
        kept=KEPT,
        remedy="Have the upstream land it again; if the day truly has no rows, remove the object and "
        "list the day under days_without_object in defs.yaml",
    )


def unreadable(
    name: str, what: str, *, expected: str = "", got: str = "", remedy: str = LAND_AGAIN
) -> LandingObjectUnreadableError:
    """The error for an object that cannot be read, told by its name."""
    return LandingObjectUnreadableError(f"{name} {what}", expected=expected, got=got, kept=KEPT, remedy=remedy)


def _gunzip(data: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(data)
    except EOFError as error:
        raise unreadable(name, f"is truncated: the gzip stream of {len(data):,} bytes stops before its end") from error
    except (OSError, zlib.error) as error:
        raise unreadable(name, "cannot be unpacked", expected="a gzip stream", got=str(error)) from error


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        got = f"byte {data[error.start]:#04x} in line {line}"
        raise unreadable(name, "is not text", expected="UTF-8", got=got) from error


def _read_csv(text: str, name: str, null_values: Sequence[str]) -> Undecided:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(rows, [])
        records = [(len(row), rows.line_num) for row in rows]
    except csv.Error as error:
        raise unreadable(name, f"cannot be read as CSV at line {rows.line_num}", got=str(error)) from error
    _require_whole_lines(records, len(header), ends_whole=text.endswith("\n"), name=name)
    if twice := [str(i) for i, column in enumerate(header, start=1) if header.count(column) > 1]:
        got = f"the same name for columns {', '.join(twice)}"  # without a header these are values, so they are not told
        raise LandingColumnsError(f"{name} names a column twice", got=got, kept=KEPT, remedy=LAND_AGAIN)
    if not records:
        raise empty(name, "a header and no row")
    try:
        frame = pl.read_csv(text.encode(), infer_schema=False, null_values=list(null_values))
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
    for number, line in enumerate(text.splitlines(), start=1):
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
    if not records or not columns:
        raise empty(name, "no record")
    return Undecided(pl.DataFrame(records, schema=columns), lambda row: f"line {row + 1}")


def _as_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _read_parquet(data: bytes, name: str) -> Undecided:
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.ComputeError, OSError) as error:
        raise unreadable(name, "is truncated or not Parquet", got=str(error).splitlines()[0]) from error
    if frame.is_empty():
        raise empty(name, "columns and no row")
    return Undecided(frame, lambda row: f"row {row + 1}")
