"""Paths of landing objects: how a table's are cut, and which day or key the path of one says.

Belongs here: paths as text. Does not: what is there (`arrivals`), or what a declared path may be (`components.names`).
"""

import datetime as dt
import re

from ml_platform.components.cuts import By
from ml_platform.components.names import is_partition_key


def cut_by(landing: str) -> By:
    """Whether `landing` stands for one object a day, one for each key, or one for the whole table."""
    return "day" if "{day}" in landing else "key" if "{key}" in landing else "whole"


def path_form(landing: str) -> re.Pattern[str]:
    """What the paths of objects by day or key look like; the group is the day or key, which is one part of a path."""
    placeholder = re.escape(f"{{{cut_by(landing)}}}")
    return re.compile(re.escape(landing).replace(placeholder, "([^/]+)", 1).replace(placeholder, r"\1"), re.DOTALL)


def is_partition(by: By, text: str) -> bool:
    """Whether what stands in the place of a day or key is one."""
    if by != "day":
        return is_partition_key(text)
    try:
        return str(dt.date.fromisoformat(text)) == text
    except ValueError:
        return False


def partition_in(landing: str, path: str) -> str | None:
    """The day or key of the object at `path`; None if it is none of those that `landing` stands for."""
    match = path_form(landing).fullmatch(path) if cut_by(landing) != "whole" else None
    return match[1] if match and is_partition(cut_by(landing), match[1]) else None
