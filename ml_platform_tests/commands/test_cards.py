"""`ml-platform card` and `datasheet` as a user runs them."""

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from ml_platform.cli import app
from ml_platform.execution.instance import open_instance
from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore
from ml_platform_tests.provenance.carded import NAME, Carded


@pytest.fixture
def home(carded: Carded, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one registered version."""
    monkeypatch.setenv("ML_PLATFORM_HOME", str(carded.settings.home))
    carded.register()
    return carded.settings.home


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_the_card_of_the_champion_is_written_and_told_in_short(home: Path) -> None:
    told = run("card", NAME)
    assert "flights_delay, version 1: champion" in told
    assert f"The whole card: {home / 'cards' / 'flights_delay-1.html'}" in told
    assert (home / "cards" / "flights_delay-1.html").read_text().startswith("<!doctype html>")


def test_a_card_as_data_writes_no_page(home: Path) -> None:
    found = json.loads(run("card", NAME, "1", "--json"))
    assert (found["name"], found["version"]) == (NAME, 1)
    assert not (home / "cards").exists()


def test_a_data_sheet_is_written_where_it_is_wanted(home: Path) -> None:
    page = home / "elsewhere" / "clean.html"
    told = run("datasheet", "flights/clean", "--output", str(page))
    assert "personal: tail_number" in told
    assert "Data sheet" in page.read_text()


def test_opening_the_history_for_a_card_is_enough_for_an_empty_one(home: Path) -> None:
    run("datasheet", "flights/clean", "--json")
    with open_instance() as instance:
        assert instance.get_runs() == []


def test_the_difference_of_two_versions_shows_no_personal_value(home: Path) -> None:
    tables, key = TableStore.from_settings(Settings(home=home)), {"key": "service_date", "sort_by": ["service_date"]}
    flown = pl.DataFrame({"service_date": [dt.date(2013, 1, 1)], "tail_number": ["NCANARY7"]})
    before = tables.publish("flights/clean", flown, ["2013-01-01"], **key).version
    after = tables.publish("flights/clean", flown.with_columns(tail_number=pl.lit("NCANARY8")), ["2013-01-01"], **key)
    asked = ("table", "diff", "flights/clean", str(before), str(after.version), "--partition", "2013-01-01")
    assert "(personal)" in run(*asked)
    assert "NCANARY" not in run(*asked) + run(*asked, "--json")
