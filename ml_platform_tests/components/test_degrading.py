"""The order of marks and publication, by stepping through it as a run does."""

import datetime as dt
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform.components.degrading import Decided
from ml_platform.recovery.degradation import Degradation, Degradations
from ml_platform.settings import Settings
from ml_platform.storage.io_managers import Publishable
from ml_platform.storage.location import StorageLocation

KEY = dg.AssetKey(["toy", "clean"])
OUTPUT = dg.Output(Publishable(pl.DataFrame()))


def mark(partition: str, run_id: str = "run") -> Degradation:
    at = dt.datetime(2013, 7, 4, tzinfo=dt.UTC)
    return Degradation(table="toy/clean", partition=partition, rung="empty", reason="Why.", since=at, run_id=run_id)


@pytest.fixture
def location(tmp_path: Path) -> StorageLocation:
    return StorageLocation.of(Settings(home=tmp_path))


def decided(location: StorageLocation, *marks: Degradation) -> Decided:
    """A run over `a` and `b`, in which `marks` are degraded."""
    ledger = Degradations(location.artifacts())
    found = {each.partition: each for each in marks}
    return Decided(KEY, ("a", "b"), found, ledger.of("toy/clean"), ledger, location.tables())


def test_a_mark_is_there_before_what_it_is_about_is_published(location: StorageLocation) -> None:
    events = decided(location, mark("a")).publish(OUTPUT)
    while not isinstance(event := next(events), dg.Output):
        pass
    assert event.value.degraded["a"].rung == "empty"
    assert list(Degradations(location.artifacts()).of("toy/clean")) == ["a"]


def test_a_mark_goes_only_after_what_replaces_it_is_published(location: StorageLocation) -> None:
    ledger = Degradations(location.artifacts())
    ledger.mark([mark("a"), mark("c")])
    events = decided(location).publish(OUTPUT)
    while not isinstance(next(events), dg.Output):
        pass
    assert list(ledger.of("toy/clean")) == ["a", "c"]  # a crash here leaves a mark too many
    list(events)
    assert list(ledger.of("toy/clean")) == ["c"]


def test_a_mark_that_another_run_sets_meanwhile_stays(location: StorageLocation) -> None:
    ledger = Degradations(location.artifacts())
    ledger.mark([mark("a")])
    events = decided(location).publish(OUTPUT)
    next(events)
    ledger.mark([mark("a", run_id="another")])
    list(events)
    assert ledger.of("toy/clean") == {"a": mark("a", run_id="another")}


def test_a_mark_that_another_run_takes_off_before_this_one_publishes_is_set_again(location: StorageLocation) -> None:
    ledger = Degradations(location.artifacts())
    events = decided(location, mark("a")).publish(OUTPUT)
    while not isinstance(next(events), dg.Output):
        pass
    ledger.clear("toy/clean", ["a"])
    list(events)
    assert list(ledger.of("toy/clean")) == ["a"]


def test_the_check_tells_of_the_whole_table(location: StorageLocation) -> None:
    Degradations(location.artifacts()).mark([mark("c")])
    check = decided(location, mark("a")).check()
    assert (check.passed, check.metadata["partitions_degraded"].value) == (False, 2)
    assert check.metadata["reasons"].value == ["a, c, empty: Why."]
    assert check.severity is dg.AssetCheckSeverity.WARN
