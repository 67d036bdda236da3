"""Which degraded partitions are due to be made again."""

import datetime as dt
from collections.abc import Mapping

from ml_platform.components.recomputing import due
from ml_platform.recovery.degradation import Degradation, Rung

NOON = dt.datetime(2013, 7, 4, 12, tzinfo=dt.UTC)
TABLES = ("raw", "clean", "features")


def mark(table: str, partition: str, rung: Rung = "inherited", *causes: str) -> Degradation:
    return Degradation(
        table=table, partition=partition, rung=rung, reason="", since=NOON, run_id="run", causes=causes, seen="absent"
    )


RAW, CLEAN = mark("raw", "4", "empty"), mark("clean", "4", "inherited", "raw 4")
TODAY, TOMORROW = mark("features", "4", "inherited", "clean 4"), mark("features", "5", "inherited", "clean 4")


def found(*marks: Degradation, sound: Mapping[str, str] = {}) -> dict[str, dict[str, str]]:
    return due(marks, TABLES, lambda mark: sound.get(mark.name))


def test_nothing_is_due_while_every_cause_is_as_it_was() -> None:
    assert found(RAW, CLEAN, TODAY, TOMORROW) == {}


def test_a_sound_cause_makes_its_partition_due_in_every_table_that_follows() -> None:
    made_again = found(RAW, CLEAN, TODAY, TOMORROW, sound={"raw 4": "landed"})
    assert made_again == {"4": {"raw": "landed", "clean": "follows", "features": "follows"}}


def test_what_inherits_in_another_partition_follows_when_the_mark_that_it_inherits_from_has_gone() -> None:
    assert found(TOMORROW) == {"5": {"features": "gone clean 4"}}


def test_one_cause_of_two_that_has_gone_is_reason_enough() -> None:
    both = mark("features", "5", "inherited", "clean 4", "clean 5")
    assert found(both, mark("clean", "5", "inherited", "elsewhere 5")) == {
        "5": {"clean": "gone elsewhere 5", "features": "gone clean 4"}
    }


def test_other_states_of_a_cause_are_told_apart() -> None:
    first, second = (found(RAW, sound={"raw 4": state}) for state in ("a", "b"))
    assert first != second


def test_tables_of_other_locations_are_left_to_these() -> None:
    assert found(mark("predictions", "4", "inherited", "features 4")) == {}
