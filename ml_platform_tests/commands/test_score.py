"""`ml-platform score` as a user runs it."""

import json

import pytest
from typer.testing import CliRunner

from ml_platform.cli import app
from ml_platform_tests.provenance.carded import AS_OF, NAME, Carded


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.fixture(autouse=True)
def _registered(carded: Carded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_HOME", str(carded.settings.home))
    carded.register()


def test_the_score_of_the_champion_names_what_would_prove_the_rest() -> None:
    told = run("score", NAME)
    assert told.startswith(f"ML Test Score of flights_delay 1 (as of {AS_OF}): 0 of 7")
    assert "> ml-platform reproduce flights_delay 1" in told
    assert "> ml-platform approve flights_delay 1 --reason ..." in told


def test_a_score_as_data_has_the_sections_and_every_test() -> None:
    found = json.loads(run("score", NAME, "1", "--json"))
    assert (found["final"], found["sections"]["model"], len(found["tests"])) == (0.0, 2.5, 28)
    assert found["final"] == min(found["sections"].values())
