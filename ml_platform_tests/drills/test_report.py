"""The report of drills, and what counts as lost: without any process."""

from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform_tests.drills.drill import DrillResult
from ml_platform_tests.drills.report import drills, table
from ml_platform_tests.drills.scenario import Reader

FOUND = DrillResult("kill -9", "it is retried", 2, 3.14159, "clean | again", "the old day")


def test_a_drill_has_a_name_of_its_own() -> None:
    names = [drill.name for drill in drills()]
    assert len(names) == len(set(names))


def test_a_row_says_that_nothing_is_lost() -> None:
    last = table([FOUND]).splitlines()[-1]
    assert last == "| kill -9 | it is retried | 2 | 3.1 | clean \\| again | the old day | none | nothing |"


def test_what_is_lost_stands_out() -> None:
    assert table([FOUND._replace(lost="flights/clean 2013-03-05")]).endswith("| **flights/clean 2013-03-05** |")


def test_a_reader_tells_of_what_is_neither_old_nor_new() -> None:
    reader = Reader(StorageLocation.of(Settings()).tables())
    reader.seen = ["16 rows", "17 rows"]
    assert reader.served("16 rows", "17 rows").startswith("the old day then the new day, whole")
    reader.seen = ["16 rows", "no row", "17 rows"]
    assert reader.served("16 rows", "17 rows").startswith("TORN")
