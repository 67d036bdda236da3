"""Corrected landing objects: one value differs, and nothing else."""

import datetime as dt
from pathlib import Path

from benchmarks.corrections import correct

DAY = dt.date(2013, 12, 30)


def test_a_correction_changes_one_value_of_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "flights" / f"{DAY}.csv"
    path.parent.mkdir()
    path.write_text("year,flight,origin\n2013,11,EWR\n2013,12,JFK\n")
    correct(tmp_path, DAY, 9001)
    assert path.read_text() == "year,flight,origin\n2013,9001,EWR\n2013,12,JFK\n"


def test_a_day_without_an_object_stays_without_one(tmp_path: Path) -> None:
    correct(tmp_path, DAY, 9001)
    assert list(tmp_path.iterdir()) == []
