"""Which runs a sensor asks for: laws over any sequence of changes, failures and ticks that were killed."""

from collections.abc import Mapping
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.components.automation import (
    MOST_FAILURES,
    Asked,
    Decision,
    Outcome,
    Paging,
    Progress,
    Wanted,
    decide,
    short,
)

DAYS = [f"day-{number:02}" for number in range(12)]


def tick(
    progress: Progress, contents: Mapping[str, str], outcomes: Mapping[str, Outcome] | None = None, open_runs: int = 9
) -> Decision:
    """One tick over pages of four days; open runs are still running unless told otherwise."""
    known: dict[str, Outcome] = {run.key: "running" for run in progress.runs if run.state == "open"}
    return decide(progress, Wanted(contents), {**known, **(outcomes or {})}, DAYS, Paging(4, open_runs))


def ended(progress: Progress, outcome: Outcome) -> dict[str, Outcome]:
    """Every run that was asked for ended so."""
    return {run.key: outcome for run in progress.runs}


def days_of(decision: Decision) -> list[tuple[str, ...]]:
    """What each request covers."""
    return [run.partitions for run in decision.requests]


def test_days_without_a_gap_are_asked_for_in_pages() -> None:
    decision = tick(Progress(), dict.fromkeys(DAYS[:6], "a"))
    assert days_of(decision) == [tuple(DAYS[:4]), tuple(DAYS[4:6])]


def test_a_gap_divides_runs() -> None:
    decision = tick(Progress(), {DAYS[0]: "a", DAYS[1]: "a", DAYS[3]: "a"})
    assert days_of(decision) == [(DAYS[0], DAYS[1]), (DAYS[3],)]


def test_a_cursor_tells_how_many_ticks_it_is_from_the_first() -> None:
    first = tick(Progress(), {DAYS[0]: "a"})
    second = tick(first.progress, {})
    assert (Progress().ticks, first.progress.ticks, second.progress.ticks) == (0, 1, 2)


def test_a_state_that_comes_back_has_a_run_key_of_its_own() -> None:
    progress, keys = Progress(), set[str]()
    for content in "abab":
        decision = tick(progress, {DAYS[0]: content}, ended(progress, "succeeded"))
        keys |= {run.key for run in decision.requests}
        progress = decision.progress
    assert len(keys) == 4


def test_a_partition_that_nothing_calls_for_is_new_when_it_comes_back() -> None:
    first = tick(Progress(), {DAYS[0]: "a"})
    gone = tick(first.progress, {}, ended(first.progress, "succeeded"))
    back = tick(gone.progress, {DAYS[0]: "a"})
    assert days_of(back) == [(DAYS[0],)]
    assert back.requests[0].key != first.requests[0].key


def test_a_partition_is_not_asked_for_while_a_run_over_it_is_open() -> None:
    first = tick(Progress(), {DAYS[0]: "a"})
    changed = tick(first.progress, {DAYS[0]: "b"})
    assert changed.requests == ()
    assert days_of(tick(changed.progress, {DAYS[0]: "b"}, ended(changed.progress, "succeeded"))) == [(DAYS[0],)]


def test_one_bad_day_of_a_run_is_found_by_halves_and_not_asked_for_again_before_it_changes() -> None:
    contents = dict.fromkeys(DAYS[:4], "a")
    bad, decision, runs = DAYS[2], tick(Progress(), contents), 0
    while decision.requests:
        runs += len(decision.requests)
        outcomes: dict[str, Outcome] = {
            run.key: "failed" if bad in run.partitions else "succeeded" for run in decision.progress.runs
        }
        decision = tick(decision.progress, contents, outcomes)
    assert [run.partitions for run in decision.progress.runs] == [(bad,)]
    assert runs == 5
    assert days_of(tick(decision.progress, {**contents, bad: "b"})) == [(bad,)]


def test_a_request_of_which_no_run_came_is_made_again_with_its_key() -> None:
    first = tick(Progress(), {DAYS[0]: "a"})
    again = tick(first.progress, {DAYS[0]: "a"}, ended(first.progress, "lost"))
    assert [run.key for run in again.requests] == [run.key for run in first.requests]


def test_what_a_person_canceled_is_not_asked_for_again() -> None:
    first = tick(Progress(), {DAYS[0]: "a"})
    assert tick(first.progress, {DAYS[0]: "a"}, ended(first.progress, "canceled")).requests == ()


def test_nothing_is_halved_once_everything_fails() -> None:
    contents = dict.fromkeys(DAYS, "a")
    decision, runs = tick(Progress(), contents, open_runs=1), 0
    while decision.requests:
        runs += 1
        decision = tick(decision.progress, contents, ended(decision.progress, "failed"), open_runs=1)
    assert runs <= MOST_FAILURES + 3
    assert f"The last {decision.progress.failures} runs failed" in " ".join(decision.told)


def test_a_run_that_succeeded_is_followed_once_by_what_it_bears_on() -> None:
    wanted, progress, requested = Wanted({DAYS[0]: "a"}), Progress(), []
    for _ in range(8):
        decision = decide(progress, wanted, ended(progress, "succeeded"), DAYS, Paging(), lambda _: DAYS[1:3])
        requested += [(run.partitions, run.follows) for run in decision.requests]
        progress = decision.progress
    assert requested == [((DAYS[0],), False), ((DAYS[1], DAYS[2]), True)]
    assert progress.runs == ()


def test_what_failed_for_want_of_it_is_made_whole_after_a_run_that_succeeded() -> None:
    failed = Asked(key="failed", partitions=(DAYS[1],), state="failed")
    going = Asked(key="going", partitions=(DAYS[0],), state="open")
    progress = Progress(seen={DAYS[0]: short("a"), DAYS[1]: short("a")}, runs=(failed, going))
    wanted = Wanted({DAYS[0]: "a", DAYS[1]: "a"})
    decision = decide(progress, wanted, {"going": "succeeded"}, DAYS, Paging(), lambda _: DAYS[1:3])
    runs = sorted((run.partitions, run.follows) for run in decision.progress.runs)
    assert runs == [((DAYS[1],), False), ((DAYS[2],), True)]


def test_what_is_held_is_not_asked_for_and_not_forgotten() -> None:
    first = tick(Progress(), {DAYS[0]: "a"})
    done = ended(first.progress, "succeeded")
    held = decide(first.progress, Wanted({DAYS[0]: "b", DAYS[1]: "a"}, held=frozenset(DAYS[:2])), done, DAYS, Paging())
    assert held.requests == ()
    assert tick(held.progress, {DAYS[0]: "a"}).requests == ()
    assert days_of(tick(held.progress, {DAYS[0]: "b"})) == [(DAYS[0],)]


def test_what_is_known_to_be_settled_is_remembered_without_a_run() -> None:
    wanted = Wanted({DAYS[0]: "a", DAYS[1]: "a"}, settled=frozenset({DAYS[0]}))
    decision = decide(Progress(), wanted, {}, DAYS, Paging())
    assert [run.partitions for run in decision.progress.runs] == [(DAYS[1],)]
    assert set(decision.progress.seen) == {DAYS[0], DAYS[1]}


def test_what_is_not_asked_for_is_told() -> None:
    contents = {**dict.fromkeys(DAYS[:6], "a"), "elsewhere": "a"}
    wanted = Wanted(contents, waits=["day-11 waits for its weather."])
    first = decide(Progress(), wanted, {}, DAYS, Paging(4, 1))
    told = " ".join(decide(first.progress, wanted, {}, DAYS, Paging(4, 1)).told)
    assert "Not finished yet: day-00 to day-03." in told
    assert "2 wait for their turn: day-04, day-05." in told
    assert "1 are not in the calendar: elsewhere." in told
    assert "day-11 waits for its weather." in told


@given(st.builds(Progress, seen=st.dictionaries(st.sampled_from(DAYS), st.text(max_size=900))))
def test_a_cursor_comes_back_as_it_was(progress: Progress) -> None:
    assert Progress.of_cursor(progress.as_cursor()) == progress


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_whatever_changes_and_ends_when_every_state_that_lasts_is_asked_for_once(chance: Random) -> None:
    contents: dict[str, str] = {}
    progress, launched = Progress(), dict[str, list[tuple[str, str]]]()
    outcomes: dict[str, Outcome] = {}
    for step in range(60):
        if step < 12:
            contents |= dict.fromkeys(chance.sample(DAYS, 4), str(step))
        decision = tick(progress, contents, outcomes, open_runs=1 + step % 3)
        progress = decision.progress
        launched |= {run.key: [(day, progress.seen[day]) for day in run.partitions] for run in decision.requests}
        outcomes |= {run.key: "running" for run in decision.requests}
        outcomes |= {key: "succeeded" for key in outcomes if step >= 12 or chance.random() < 0.5}
    asked = [state for states in launched.values() for state in states]
    assert len(asked) == len(set(asked))
    assert {(day, short(content)) for day, content in contents.items()} <= set(asked)
