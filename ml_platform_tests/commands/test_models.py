"""The commands about models, as a user types them, on a registry with three versions."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml_platform.cli import app
from ml_platform.errors import ModelNotFoundError, RegistryLogTamperedError
from ml_platform_tests.serving.conftest import world  # noqa: F401
from ml_platform_tests.serving.scenario import NAME, World
from ml_platform_tests.tracking.conftest import empty_store  # noqa: F401


@pytest.fixture
def promoted(world: World, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: F811
    """October to December, each with its champion, in the home that the commands use."""
    monkeypatch.setenv("ML_PLATFORM_HOME", str(world.settings.home))
    monkeypatch.setenv("COLUMNS", "200")
    world.promote("2013-10-01", "2013-11-01", "2013-12-01")
    return world


def shown(*arguments: str) -> str:
    """What the command prints; an error of the platform is raised."""
    return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout


def test_the_two_questions_about_a_champion_have_two_answers(promoted: World) -> None:
    by_day = json.loads(shown("model", "champion", NAME, "--day", "2013-11-15", "--json"))
    by_clock = json.loads(shown("model", "champion", NAME, "--at", "2013-11-15T12:00", "--json"))
    assert (by_day["champion"]["version"], by_clock["champion"]) == (2, None)
    assert "ask --day 2013-11-15" in shown("model", "champion", NAME, "--at", "2013-11-15T12:00")
    assert "the champion is version 3 (as of 2013-12-01)" in shown("model", "champion", NAME)


def test_the_help_tells_the_two_questions_apart(promoted: World) -> None:
    told = shown("model", "champion", "--help")
    assert "about the data" in told
    assert "about the clock" in told


def test_list_show_and_log_tell_what_is_there(promoted: World) -> None:
    assert json.loads(shown("model", "list", "--json"))[NAME]["aliases"]["champion"] == 3
    assert [each["is_promoted"] for each in json.loads(shown("model", "show", NAME, "--json"))] == [True] * 3
    assert len(json.loads(shown("model", "log", NAME, "--json"))) == 9
    assert "9 entries, each sealed to the one before" in shown("model", "log", NAME)


def test_rollback_and_promotion_tell_what_changed_and_what_to_do(promoted: World) -> None:
    told = shown("rollback", NAME, "--reason", "false alarms", "--by", "ops")
    assert "version 3 is withdrawn, version 2 (as of 2013-11-01) answers" in told
    assert "flights/delay_champion 2013-12-01: version 3 -> 2" in told
    assert "materialize flights/delay_predictions" in told
    back = json.loads(shown("promote", NAME, "3", "--reason", "it was the source", "--json"))
    assert (back["champion"], back["months"][0]["after"]) == (3, 3)
    assert "false alarms" in shown("model", "log", NAME)


def test_approval_and_rejection_are_told_with_what_comes_next(promoted: World) -> None:
    version = promoted.register("2013-12-01", inverted=True).version
    assert "materialize flights/delay_champion for 2013-12-01" in shown("approve", NAME, str(version), "--reason", "ok")
    rejected = shown("reject", NAME, "3", "--reason", "too few nights", "--by", "ann")
    assert "version 3 is rejected by ann" in rejected
    assert f"ml-platform rollback {NAME}" in rejected


def test_an_unknown_model_is_told_with_those_there_are(promoted: World) -> None:
    for command in ("show", "log", "champion"):
        with pytest.raises(ModelNotFoundError, match=f"Expected one of {NAME}"):
            shown("model", command, "flights_dealy")


def test_a_log_that_was_tampered_with_is_told(promoted: World) -> None:
    path = Path(promoted.settings.home) / f"artifacts/registry/{NAME}/00000003.json"
    path.write_bytes(path.read_bytes().replace(b'"by": "run', b'"by": "ann'))
    with pytest.raises(RegistryLogTamperedError, match="entry 3 was changed"):
        shown("model", "log", NAME)
