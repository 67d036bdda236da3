"""A CSV file with many days as landing objects, one for each day, as an upstream would drop them.

Belongs here: cutting the file; its lines stay as they are. Does not: whether their values make sense (`data.landing`).
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from ml_platform.data.component import LandedTable
from ml_platform.errors import DefinitionError
from ml_platform.provenance.catalog import Catalog


def objects_of(file: Path, catalog: Catalog, table: str | None = None) -> dict[str, bytes]:
    """The landing objects of one landed table by their paths: the header, and the lines of one day as they are.

    Raises:
        DefinitionError: the file is not there, or has no column that says the day; or the table is not one by day.
    """
    landed = _table(catalog, table)
    if not file.is_file():
        raise DefinitionError(f"{file} is not there", kept="Nothing was landed")
    with file.open(newline="", encoding="utf-8-sig") as text:
        header, *lines = text.read().splitlines(keepends=True)
    if not lines or not lines[-1].endswith("\n"):
        lines[-1:] = [f"{line}\n" for line in lines[-1:]]
    columns = next(csv.reader([header]))
    if (day := landed.day_columns[0]) not in columns:
        raise DefinitionError(
            f"{file.name} has no column '{day}', by which {catalog.name(landed.name)} is cut into days",
            expected=f"one of {', '.join(columns)}",
            kept="Nothing was landed",
            remedy=f"Correct day_columns in {catalog.file('data')}",
        )
    of_day: dict[str, list[str]] = {}
    for line, values in zip(lines, _values(lines, file.name), strict=True):
        of_day.setdefault(values[columns.index(day)], []).append(line)
    return {landed.path_of(key): "".join([header, *rows]).encode() for key, rows in sorted(of_day.items())}


def _values(lines: list[str], name: str) -> Iterator[list[str]]:
    """The fields of each line.

    Raises:
        DefinitionError: a value goes over several lines.
    """
    rows = list(csv.reader(lines))
    if len(rows) != len(lines):
        raise DefinitionError(
            f"{name} has values with line breaks, and is not cut into days", remedy="Drop one object for each day"
        )
    yield from rows


def _table(catalog: Catalog, name: str | None) -> LandedTable:
    """The landed table that the file is of.

    Raises:
        DefinitionError: there is none by day with one column for it, or several.
    """
    landed = catalog.data.landed if catalog.data else ()
    fitting = [each for each in landed if each.by == "day" and len(each.day_columns) == 1 and name in (None, each.name)]
    if len(fitting) != 1:
        raise DefinitionError(
            f"Which table of {catalog.use_case.name} the file is of is not clear",
            expected="--table with a landed table by day, with one column of dates in day_columns",
            got=f"{name or 'none'}; there are {', '.join(each.name for each in landed) or 'none'}",
            kept="Nothing was landed",
        )
    return fitting[0]
