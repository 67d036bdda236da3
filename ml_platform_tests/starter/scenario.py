"""A toy file, ten weeks of two ferries, and use cases begun from it."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ml_platform.starter.columns import read_file
from ml_platform.starter.plan import Asked, plan
from ml_platform.starter.writing import write

HEADER = "date,ferry,wind (kt),cancelled"
FIRST_DAY = dt.date(2024, 1, 1)


def crossings(days: int = 70, header: str = HEADER) -> str:
    """Two crossings a day; the second is cancelled on each third day."""
    lines = [header]
    for number in range(days):
        day = FIRST_DAY + dt.timedelta(days=number)
        lines += [f"{day},Anna,{number % 30}.5,0", f"{day},Berit,{number % 40}.5,{int(number % 3 == 0)}"]
    return "\n".join(lines) + "\n"


def begun(folder: Path, names: Iterable[str], label: str = "cancelled", **asked: Any) -> None:
    """Write a use case of each name below `folder`, from the toy file."""
    file = folder.parent / "crossings.csv"
    file.write_text(crossings())
    for name in names:
        write(plan(name, read_file(file), Asked(label, **asked)), folder)
