"""A new version on the requests of the champion: in its shadow, in its place for a share, and out of the way."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ml_platform.online.following import Follower
from ml_platform.online.service import OnlineService, Predicted
from ml_platform.online.trial import MOST_WAITING, Trial, follow, timed
from ml_platform.serving.trials import TrialLimits, reports, verdicts
from ml_platform.storage.objects import ObjectStore
from ml_platform_tests.online.scenario import NAME, NEXT_MONTH, OnlineWorld, batch, flights, request

SHADOW = TrialLimits(requests=3, difference=0.9, times_as_slow=1000)
CANARY = SHADOW.model_copy(update={"share": 0.5})
ROWS = flights()


@pytest.fixture
def world(tmp_path: Path) -> OnlineWorld:
    """Version 1 is champion, and version 2 waits."""
    made = OnlineWorld(tmp_path / "home")
    made.promote(1)
    made.wait(2)
    return made


def compared(follower: Follower, number: int) -> Trial:
    """The trial after so many different requests were answered and compared."""
    list(answers(follower, number))
    trial = trial_of(follower)
    trial.compare()
    return trial


def following(world: OnlineWorld, limits: TrialLimits, home: Path | None = None) -> Follower:
    """A process that has looked once."""
    made = world.follower(limits, home)
    made.look()
    return made


def trial_of(follower: Follower) -> Trial:
    """The trial that goes on."""
    assert follower.now.trial is not None
    return follower.now.trial


def answers(follower: Follower, number: int = 20) -> Iterator[Predicted]:
    """What is answered to different requests of one row."""
    service = OnlineService(follower, most_rows=100)
    for place in range(number):
        row = ROWS[place % ROWS.height : place % ROWS.height + 1]
        yield service.predict(request(row, flight_number=1000 + place) if place >= ROWS.height else request(row))


def rungs(follower: Follower) -> set[str]:
    """Who answered these."""
    return {each.columns["model_rung"][0] for each in answers(follower)}


def break_challenger(follower: Follower) -> None:
    """Have the new version raise whatever it is asked."""
    trial = trial_of(follower)
    broken = trial.challenger.rungs[0]._replace(predict=lambda rows: rows["not there"].to_numpy())
    trial.challenger = trial.challenger._replace(rungs=(broken, *trial.challenger.rungs[1:]))


def test_in_the_shadow_the_champion_answers_and_both_are_compared(world: OnlineWorld) -> None:
    follower = following(world, SHADOW)
    assert [each.columns["probability"][0] for each in answers(follower, 3)] == batch(1, ROWS[:3])
    trial = trial_of(follower)
    trial.compare()
    expected = np.abs(np.array(batch(1, ROWS[:3])) - batch(2, ROWS[:3])).mean()
    assert trial.report.difference.mean == pytest.approx(expected)
    assert (trial.report.verdict, trial.report.answered) == ("passed", 0)


def test_a_canary_answers_its_share_the_same_requests_each_time_and_is_not_degraded(world: OnlineWorld) -> None:
    follower = following(world, CANARY)
    first, again = list(answers(follower)), list(answers(follower))
    told = {each.columns["model_rung"][0]: each for each in first}
    assert set(told) == {"champion", "challenger"}
    assert [each.columns["model_version"][0] for each in first] == [each.columns["model_version"][0] for each in again]
    assert told["challenger"].columns["degraded"] == [[]]
    trial_of(follower).compare()
    assert trial_of(follower).report.answered == 2 * sum(
        each.columns["model_rung"][0] == "challenger" for each in first
    )


def test_a_canary_gives_what_the_batch_would(world: OnlineWorld) -> None:
    expected = {"champion": batch(1, ROWS), "challenger": batch(2, ROWS)}
    for place, each in enumerate(answers(following(world, CANARY))):
        row = each.dicts()[0]
        assert row["probability"] == expected[row["model_rung"]][place]


def test_where_the_new_version_fails_the_champion_answers_and_the_trial_ends(world: OnlineWorld) -> None:
    follower = following(world, CANARY)
    break_challenger(follower)
    told = list(answers(follower))
    assert [each.columns["probability"][0] for each in told] == batch(1, ROWS[:20])
    assert not any(each.degraded_rows for each in told)
    trial = trial_of(follower)
    trial.compare()
    assert trial.report.verdict == "refused"
    assert "100.00% of requests failed" in trial.why_refused
    assert rungs(follower) == {"champion"}


def test_a_version_of_other_probabilities_is_refused(world: OnlineWorld) -> None:
    follower = following(world, SHADOW.model_copy(update={"requests": 1000, "difference": 0.001}))
    assert "probabilities differ by" in compared(follower, 60).report.reason


def test_the_time_of_a_version_is_that_of_its_thread(world: OnlineWorld) -> None:
    follower = following(world, SHADOW)
    ticks = iter([0.0, 2.0, 2.0, 7.0])
    rung = trial_of(follower).champion.rungs[0]
    features = next(answers(follower)).features
    assert [timed(rung, features, lambda: next(ticks)).seconds for _ in range(2)] == [2.0, 5.0]


def test_bytes_that_are_not_those_registered_never_answer_and_refuse_the_version_if_they_stay(
    world: OnlineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.wait(3, is_damaged=True)
    follower = following(world, CANARY)
    assert rungs(follower) == {"champion"}
    assert "challenger 3" in trial_of(follower).why_refused
    assert trial_of(follower).report.verdict == "running"
    monkeypatch.setattr("ml_platform.online.following.TRY_AGAIN_SECONDS", 0.0)
    follower.look()
    assert trial_of(follower).report.verdict == "refused"


def test_bytes_that_come_late_are_tried_when_they_are_there(
    world: OnlineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.wait(3, is_damaged=True)
    follower = following(world, CANARY)
    world.wait(3)
    follower.look()
    assert rungs(follower) == {"champion", "challenger"}


def test_a_restart_goes_on_with_the_evidence_and_the_counts(world: OnlineWorld) -> None:
    follower = following(world, CANARY)
    trial = compared(follower, 2)
    follow(trial, follower.copy, world.artifacts)
    again = trial_of(following(world, CANARY))
    again.compare()
    assert again.report == trial.report
    other = CANARY.model_copy(update={"requests": 9})
    assert trial_of(following(world, other)).report.failures.seen == 0


def test_a_verdict_that_the_store_did_not_take_is_published_when_it_is_back(world: OnlineWorld) -> None:
    follower = following(world, SHADOW)
    trial = compared(follower, 3)
    with pytest.raises(OSError, match="away"):
        follow(trial, follower.copy, Away(world.artifacts.uri))
    follow(trial, follower.copy, world.artifacts)
    assert [each.verdict for each in verdicts(world.artifacts, trial.report)] == ["passed"]


class Away(ObjectStore):
    """A store that takes nothing."""

    def write(self, path: str, data: bytes) -> None:
        """Be away."""
        raise OSError("away")


def test_a_request_that_is_repeated_counts_once(world: OnlineWorld) -> None:
    follower = following(world, SHADOW.model_copy(update={"requests": 1000}))
    for _ in range(5):
        trial = compared(follower, 2)
    assert trial.report.failures.seen == 2


def test_a_version_that_passed_answers_no_more_until_it_is_promoted(world: OnlineWorld) -> None:
    follower = following(world, CANARY)
    assert compared(follower, 20).report.verdict == "passed"
    assert rungs(follower) == {"champion"}


def test_nothing_is_tried_beside_a_champion_that_does_not_answer(world: OnlineWorld) -> None:
    promoted = world.promote(4)
    world.wait(2)
    world.damage(promoted)
    follower = following(world, CANARY)
    assert follower.now.trial is None
    assert rungs(follower) == {"last_known_good"}


def test_another_version_of_the_same_bytes_has_a_trial_of_its_own(world: OnlineWorld) -> None:
    follower = following(world, SHADOW)
    follow(compared(follower, 3), follower.copy, world.artifacts)
    world.wait(5, seed=2)
    follower.look()
    trial = trial_of(follower)
    assert (trial.report.version, trial.report.failures.seen) == (5, 0)
    assert verdicts(world.artifacts, trial.report) == []


def test_a_verdict_beside_another_champion_is_none_of_this_trial(world: OnlineWorld) -> None:
    follower = following(world, CANARY)
    break_challenger(follower)
    follow(compared(follower, 10), follower.copy, world.artifacts)
    world.promote(4)
    world.wait(2)
    follower.look()
    follow(trial_of(follower), follower.copy, world.artifacts)
    assert trial_of(follower).is_running


def test_a_later_month_that_does_not_wait_ends_no_trial(world: OnlineWorld) -> None:
    waiting = world.wait(2)
    world.refuse(3)
    follower = following(world, CANARY)
    assert trial_of(follower).report.version == waiting.version
    assert rungs(follower) == {"champion", "challenger"}


def test_rows_of_features_are_compared_too(world: OnlineWorld) -> None:
    follower = following(world, SHADOW)
    features = next(answers(follower)).features
    OnlineService(follower, most_rows=100).score(features, b"invocation")
    trial_of(follower).compare()
    assert trial_of(follower).report.failures.seen == 2


def test_what_one_process_refuses_no_other_goes_on_with(world: OnlineWorld, tmp_path: Path) -> None:
    here, there = following(world, CANARY), following(world, CANARY, tmp_path / "other")
    break_challenger(there)
    list(answers(there))
    for follower in (there, here):
        trial_of(follower).compare()
        follow(trial_of(follower), follower.copy, world.artifacts)
    assert "in another process" in trial_of(here).why_refused
    assert rungs(here) == {"champion"}
    assert {each.verdict for each in reports(world.artifacts, NAME)} == {"running", "refused"}


def test_a_promotion_ends_the_trial(world: OnlineWorld) -> None:
    follower = following(world, CANARY)
    world.artifacts.delete(f"records/flights/delay_champion/{NEXT_MONTH}.json")
    follower.look()
    assert follower.now.trial is None
    assert rungs(follower) == {"champion"}


def test_requests_beyond_what_may_wait_are_counted_and_not_compared(world: OnlineWorld) -> None:
    trial = trial_of(following(world, SHADOW.model_copy(update={"requests": 1000})))
    features = pl.DataFrame({"hour": [1.0]})
    for request_hash in range(MOST_WAITING + 5):
        trial.offer(request_hash, features, [trial.champion], is_answered=False)
    trial._waiting.clear()
    trial.compare()
    assert trial.report.passed_by == 5


def test_what_comes_while_requests_are_compared_waits_for_the_next_time(
    world: OnlineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, compared = trial_of(following(world, SHADOW.model_copy(update={"requests": 1000}))), []

    def compare(rows: pl.DataFrame) -> None:
        compared.append(rows)
        trial.offer(100 + len(compared), rows, [trial.champion], is_answered=False)

    monkeypatch.setattr(trial, "_compare", compare)
    for request_hash in range(3):
        trial.offer(request_hash, pl.DataFrame({"hour": [1.0]}), [trial.champion], is_answered=False)
    trial.compare()
    assert (len(compared), len(trial._waiting)) == (3, 3)
