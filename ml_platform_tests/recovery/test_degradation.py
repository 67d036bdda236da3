"""The ledger of what is degraded, on real objects."""

import datetime as dt

import pytest

from ml_platform.recovery.degradation import Degradation, Degradations
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation

NOON = dt.datetime(2013, 7, 4, 12, tzinfo=dt.UTC)


def mark(partition: str, table: str = "toy/clean", **changes: object) -> Degradation:
    values = {"table": table, "partition": partition, "rung": "cached", "reason": "It is late.", "since": NOON}
    return Degradation.model_validate({**values, "run_id": "run", **changes})


@pytest.fixture
def ledger(anywhere: Settings) -> Degradations:
    return Degradations(StorageLocation.of(anywhere).artifacts())


def test_a_mark_stands_until_it_is_cleared(ledger: Degradations) -> None:
    odd = mark("10 %/Ä#1@2.json", causes=("toy/raw all",), seen="absent")
    ledger.mark([mark("b"), odd, mark("a", "toy/raw")])
    assert ledger.of("toy/clean") == {"b": mark("b"), odd.partition: odd}
    ledger.clear("toy/clean", [odd.partition, "never marked"])
    assert ledger.all() == [mark("b"), mark("a", "toy/raw")]


def test_one_table_is_not_another_whose_name_begins_alike(ledger: Degradations) -> None:
    ledger.mark([mark("a", "toy/raw"), mark("b", "toy/raw_late")])
    assert (list(ledger.of("toy/raw")), list(ledger.of("toy/raw_late")), ledger.of("toy")) == (["a"], ["b"], {})


def test_a_mark_that_ended_still_holds_for_who_reads_an_earlier_version(ledger: Degradations) -> None:
    ledger.mark([mark("a")])
    ledger.clear("toy/clean", ["a"], until=7)
    assert (ledger.all(), ledger.of("toy/clean")) == ([], {})
    assert ledger.of("toy/clean", lambda: 6) == {"a": mark("a")}
    assert ledger.of("toy/clean", lambda: 7) == {}


def test_of_two_ends_the_later_is_kept_and_a_mark_that_stands_says_what_is_so_now(ledger: Degradations) -> None:
    for until in (7, 9):
        ledger.mark([mark("a")])
        ledger.clear("toy/clean", ["a"], until=until)
    assert ledger.of("toy/clean", lambda: 8) == {"a": mark("a")}
    ledger.clear("toy/clean", ["a"], until=11)  # there is nothing to take off, and nothing to forget
    assert ledger.of("toy/clean", lambda: 8) == {"a": mark("a")}
    ledger.mark([mark("a", rung="empty")])
    assert ledger.of("toy/clean", lambda: 3)["a"].rung == "empty"


def test_what_was_degraded_in_a_version_is_marked_again_before_that_is_restored(ledger: Degradations) -> None:
    ledger.mark([mark("a"), mark("b")])
    ledger.clear("toy/clean", ["a", "b"], until=7)
    ledger.mark_again("toy/clean", 7)
    assert ledger.all() == []
    ledger.mark_again("toy/clean", 6, ["b"])
    assert ledger.all() == [mark("b")]


def test_the_version_is_asked_for_only_where_marks_have_ended(ledger: Degradations) -> None:
    ledger.mark([mark("a")])
    assert list(ledger.of("toy/clean", lambda: pytest.fail("asked for the version"))) == ["a"]
