"""Paths of landing objects: how a table's are cut, and which day or key the path of one says.

A path stands for one object of each day or key, or for many where `*` is in it. The origin of rows that are no objects
has the same form: `sql://SHOP_DATABASE_URL/orders/{day}`.

Belongs here: paths as text. Does not: what is there (`source_objects`), or what a declared path may be
(`components.names`).
"""

import datetime as dt
import re
from typing import Literal

from ml_platform.components.cuts import By
from ml_platform.components.names import is_partition_key

LandingFormat = Literal["csv", "jsonl", "parquet"]

PACKED = frozenset({"gz", "zst", "zip"})
_FORMATS: dict[str, LandingFormat] = {"csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet"}
_WHOLE = "all"  # as `storage.batches.UNPARTITIONED`, which needs polars


def cut_by(landing: str) -> By:
    """Whether `landing` stands for what there is of each day, of each key, or of the whole table."""
    return "day" if "{day}" in landing else "key" if "{key}" in landing else "whole"


def path_form(landing: str) -> re.Pattern[str]:
    """What the paths of a table's objects look like; the group is the day or key, which is one part of a path."""
    placeholder = re.escape(f"{{{cut_by(landing)}}}")
    form, group = re.escape(landing).replace(re.escape("*"), "[^/]*"), "([^/]+)"
    if "*" in landing and "{day}" in landing:
        group = "([0-9]{4}-[0-9]{2}-[0-9]{2})"  # what stands beside it may have any text in it
    return re.compile(form.replace(placeholder, group, 1).replace(placeholder, r"\1"), re.DOTALL)


def format_of(landing: str) -> LandingFormat | None:
    """The format that the end of a path says; None if it says none."""
    parts = landing.split(".")
    return _FORMATS.get(parts[-2] if parts[-1] in PACKED and len(parts) > 1 else parts[-1])


def folder_of(landing: str, partition: str = "{") -> str:
    """The folder that has all objects of a partition, or of all of them, in it or below it."""
    begin = landing.format(day=partition, key=partition)
    return re.split(r"[{*]", begin, maxsplit=1)[0].rpartition("/")[0]


def place_in(landing: str, path: str) -> str | None:
    """What stands in the place of the day or key in `path`; None if the path is not of the form of `landing`."""
    match = path_form(landing).fullmatch(path)
    return None if match is None else match[1] if match.re.groups else _WHOLE


def is_partition(by: By, text: str) -> bool:
    """Whether what stands in the place of a day or key is one."""
    if by != "day":
        return by == "whole" or is_partition_key(text)
    try:
        return str(dt.date.fromisoformat(text)) == text
    except ValueError:
        return False


def partition_in(landing: str, path: str) -> str | None:
    """The partition of the object at `path`; None if it is none of those that `landing` stands for."""
    place = place_in(landing, path)
    return place if place is not None and is_partition(cut_by(landing), place) else None
