"""What trials on requests mean for promotion."""

import json
from collections.abc import Mapping

import pytest
from typer.testing import CliRunner

from ml_platform.cli import app
from ml_platform.serving.trials import TrialLimits, TrialReport, begin, publish
from ml_platform.tracking.registry import RegisteredModel
from ml_platform_tests.components.ticking import Sensors
from ml_platform_tests.serving.scenario import NAME, World, definitions

OCTOBER, NOVEMBER = "2013-10-01", "2013-11-01"
TRIAL = {"share": 0.1, "requests": 5}
SENSOR, JOB = "promote_flights_delay_champion_on_new_version", "promote_flights_delay_champion"


@pytest.fixture
def waiting(world: World) -> RegisteredModel:
    """October's version is champion, and November's waits to be tried."""
    for month in (OCTOBER, NOVEMBER):
        version = world.register(month)
        path = f"records/flights/delay_model_version/{month}.json"
        world.location.artifacts().write(path, f'{{"version": {version.version}}}'.encode())
        world.run("delay_champion", month, trial=TRIAL)
    return version


def reported(
    world: World,
    version: RegisteredModel,
    *,
    requests: int = 5,
    failed: int = 0,
    process: str = "a",
    beside: RegisteredModel | None = None,
    limits: Mapping[str, float] = TRIAL,
) -> None:
    """A process of the service has compared so many requests, of which the first ones failed."""
    champion = beside or world.tracking.registry.require_champion(NAME)
    report = begin(version, champion, TrialLimits.model_validate(limits), process)
    for place in range(requests):
        report = report.model_copy(update={"failures": report.failures.after(float(place < failed))})
    publish(report, world.location.artifacts())


def outcome(world: World, **declared: object) -> tuple[object, object]:
    """What November's promotion says, and who is champion after it."""
    told = world.metadata(world.run("delay_champion", NOVEMBER, trial=TRIAL, **declared))
    return told["outcome"], world.tracking.registry.require_champion(NAME).version


def test_the_first_version_has_nobody_to_be_tried_beside_and_later_ones_wait(
    world: World, waiting: RegisteredModel
) -> None:
    assert outcome(world) == ("waiting", 1)
    reported(world, waiting, requests=4)
    assert outcome(world) == ("waiting", 1)


def test_a_version_that_passed_is_promoted_and_the_log_says_by_what(world: World, waiting: RegisteredModel) -> None:
    reported(world, waiting)
    assert outcome(world) == ("promoted", 2)
    told = world.tracking.registry.get(NAME, 2)
    assert (told.approval_by, told.approval_reason) == (
        "the trial on requests",
        "no limit was exceeded after 5 requests beside version 1",
    )


def test_one_process_that_refuses_is_enough(world: World, waiting: RegisteredModel) -> None:
    reported(world, waiting)
    reported(world, waiting, failed=5, process="b")
    assert outcome(world) == ("rejected", 1)
    assert "100.00% of requests failed (harmless: 0.10%)" in world.tracking.registry.get(NAME, 2).approval_reason


def test_where_a_person_approves_too_a_trial_alone_does_not_promote(world: World, waiting: RegisteredModel) -> None:
    reported(world, waiting)
    assert outcome(world, requires_approval=True) == ("waiting", 1)


def test_a_person_overrules_a_trial(world: World, waiting: RegisteredModel) -> None:
    reported(world, waiting, failed=5)
    world.tracking.registry.set_approval(NAME, 2, is_approved=True, by="ada", reason="a known fault of the trial")
    assert outcome(world) == ("promoted", 2)


def test_the_word_of_a_trial_beside_another_champion_or_within_other_limits_does_not_count(
    world: World, waiting: RegisteredModel
) -> None:
    reported(world, waiting, beside=waiting)
    reported(world, waiting, process="b", limits={**TRIAL, "share": 0.2})
    assert outcome(world) == ("waiting", 1)


def test_promotion_is_asked_for_again_when_a_person_has_decided(world: World, waiting: RegisteredModel) -> None:
    sensors = Sensors(definitions(world.settings, trial=TRIAL), world.instance)
    sensors.tick(SENSOR, job=JOB)
    world.tracking.registry.set_approval(NAME, 2, is_approved=True, by="ada", reason="we cannot wait")
    assert sensors.tick(SENSOR, job=JOB).ranges == [NOVEMBER]


def test_promotion_is_asked_for_again_when_a_trial_has_ended(world: World, waiting: RegisteredModel) -> None:
    sensors = Sensors(definitions(world.settings, trial=TRIAL), world.instance)
    sensors.tick(SENSOR, job=JOB)
    reported(world, waiting, requests=4)
    assert sensors.tick(SENSOR, job=JOB).requests == []
    reported(world, waiting)
    assert sensors.tick(SENSOR, job=JOB).ranges == [NOVEMBER]


def test_each_limit_refuses_by_itself_and_says_how_much_is_harmless() -> None:
    model = RegisteredModel(
        name=NAME, version=2, as_of=NOVEMBER, uri="", sha256="", fingerprint="", run_id="", gate="approved"
    )
    report = begin(model, model, TrialLimits(), "a")
    for stream, told in (("failures", "failed"), ("slow", "as long"), ("difference", "differ")):
        bets = getattr(report, stream)
        for _ in range(30):
            bets = bets.after(1.0)
        refused: TrialReport = report.model_copy(update={stream: bets})
        assert refused.verdict == "refused"
        assert told in refused.reason
        assert "harmless" in refused.reason


def test_the_command_tells_how_far_each_process_is(
    world: World, waiting: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_HOME", str(world.settings.home))
    assert "No version of flights_delay has been tried" in CliRunner().invoke(app, ["trial", NAME]).stdout
    reported(world, waiting, requests=4)
    (told,) = json.loads(CliRunner().invoke(app, ["trial", NAME, "--json"]).stdout)
    assert (told["version"], told["failures"]["seen"], told["verdict"]) == (2, 4, "running")
    assert "4 of 5 requests" in CliRunner(env={"COLUMNS": "200"}).invoke(app, ["trial", NAME]).stdout
