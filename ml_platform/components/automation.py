"""What a sensor asks for: every state of every partition once, in few runs, a page at a time.

    state now  --+                +--> runs to request
    cursor     --+--> decide() ---+--> next cursor
    runs asked --+                +--> what is told

A sensor says what is `Wanted`: for each partition a text that follows from the state that calls for a run, such as a
content hash. Where it differs from the text that the cursor has, a run is due, and is requested at once. Dagster keeps
the cursor with the requests before it launches the first run, and as the sensor's own when the tick ends; a tick that
was killed in between is told by `ticks`, and the next one goes on from what it had written down (`automation_sensor`).

A run over several partitions that fails is asked for again in halves, until each partition that cannot be made stands
alone; it is not asked for again before its state changes. After `MOST_FAILURES` failures in a row nothing is halved.

To make a sensor of it, say what is wanted and hand that to `automation_sensor.content_sensor`:

    def cleared_causes(context: dg.SensorEvaluationContext) -> Wanted:
        return Wanted({"2013-07-04": sha256_of_what_calls_for_it}, waits=["2013-07-05 waits for its weather."])

    name = "recompute_flights_on_cleared_causes"
    content_sensor(name, cleared_causes, job, "recompute", over(use_case.by_day), description=...)

Belongs here: which runs are due. Does not: Dagster's sensors and runs (`automation_sensor`), or why a run is due.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

MOST_FAILURES = 8
SHOWN = 3  # partitions named where many are meant
_LONGEST_PLAIN_CURSOR = 4_000

Outcome = Literal["lost", "running", "succeeded", "failed", "canceled"]
After = Callable[[Sequence[str]], Sequence[str]]
"""From the partitions of a run that succeeded to those of the run that has to follow it; none if none has to."""


class Wanted(NamedTuple):
    """What calls for a run now.

    `contents` tells the state of each partition that may need one; a state that was asked for is not asked for again.
    `settled` are those of them that are known to be as they should be: they are remembered without a run. A partition
    that is left out is forgotten, so its state counts as new when it comes back. `held` are partitions that are not
    asked for now: what is remembered of them stays as it is. `waits` are sentences about what is not asked for.
    """

    contents: Mapping[str, str]
    settled: frozenset[str] = frozenset()
    waits: Sequence[str] = ()
    held: frozenset[str] = frozenset()


class Wait(NamedTuple):
    """Nothing is looked at now, and why; what is remembered stays as it is."""

    why: str


class Paging(NamedTuple):
    """How much is asked for at a time: partitions in one run, and runs that may be open at once."""

    partitions_per_run: int = 400
    open_runs: int = 1


class Asked(BaseModel):
    """One run that was asked for, or is about to be, and has not succeeded yet."""

    model_config = ConfigDict(frozen=True)

    key: str = Field(description="Run key; follows from what is asked for.")
    partitions: tuple[str, ...] = Field(description="In the order of the calendar, without a gap.")
    state: Literal["queued", "open", "failed"] = Field("queued", description="What is known of it.")
    follows: bool = Field(False, description="Whether it follows a run that succeeded.")


class Progress(BaseModel):
    """What a sensor remembers from tick to tick."""

    model_config = ConfigDict(frozen=True)

    seen: Mapping[str, str] = Field(default={}, description="The state of each partition that was asked for last.")
    repeats: Mapping[str, int] = Field(default={}, description="How often a partition's state changed before that.")
    runs: tuple[Asked, ...] = Field(default=(), description="What was asked for and has not succeeded.")
    failures: int = Field(default=0, description="Runs that failed since one succeeded.")
    ticks: int = Field(default=0, description="Ticks that looked; by it a cursor is known to follow from another.")

    def as_cursor(self) -> str:
        """As text for Dagster to keep; compressed where there is much of it."""
        text = self.model_dump_json(exclude_defaults=True)
        if len(text) <= _LONGEST_PLAIN_CURSOR:
            return text
        return base64.b64encode(zlib.compress(text.encode(), 6)).decode()

    @classmethod
    def of_cursor(cls, cursor: str | None) -> "Progress":
        """What `as_cursor` wrote; nothing where there is no cursor yet, or somebody reset it."""
        if not cursor:
            return cls()
        text = cursor if cursor.startswith("{") else zlib.decompress(base64.b64decode(cursor)).decode()
        return cls.model_validate_json(text)


class Decision(NamedTuple):
    """The runs to request now, what to remember, and sentences that say what is not asked for."""

    requests: tuple[Asked, ...]
    progress: Progress
    told: tuple[str, ...]


def decide(
    progress: Progress,
    wanted: Wanted,
    outcomes: Mapping[str, Outcome],
    order: Sequence[str],
    paging: Paging,
    after: After = lambda _: (),
) -> Decision:
    """What to ask for now; `outcomes` tells of each of `progress.runs` by key, `order` is the calendar's."""
    places = {partition: place for place, partition in enumerate(order)}
    known = {key: progress.seen[key] for key in wanted.held if key in progress.seen}
    contents = {key: short(wanted.contents[key]) for key in order if key in wanted.contents and key not in wanted.held}
    contents |= known
    progress = _as_ordered(_with_outcomes(progress, outcomes, after, places), places)
    progress = _without_gone(progress, contents)
    changed = {key: content for key, content in contents.items() if progress.seen.get(key) != content}
    progress = _without_outdated(progress, contents, changed)
    progress = _seeing(progress, {key: content for key, content in changed.items() if key in wanted.settled})
    is_tripped = progress.failures >= MOST_FAILURES
    progress = progress if is_tripped else _halved(progress, places)
    busy = {key for run in progress.runs for key in run.partitions if run.state != "failed"}
    new = {key: content for key, content in changed.items() if key not in wanted.settled}
    due = {key: content for key, content in new.items() if key not in busy}
    progress = _planned(progress, due, places, paging)
    requests, progress = _requested(progress, places, paging)
    left = [key for key in new if progress.seen.get(key) != new[key]]
    told = _told(progress, left, sorted(wanted.contents.keys() - places.keys()), is_tripped=is_tripped)
    return Decision(requests, progress.model_copy(update={"ticks": progress.ticks + 1}), (*told, *wanted.waits))


def _as_ordered(progress: Progress, places: Mapping[str, int]) -> Progress:
    """With queued runs without a gap: a key that somebody took away, or added again, left its place in the order."""
    runs: list[Asked] = []
    for run in progress.runs:
        parts = _stretches(run.partitions, places) if run.state == "queued" else [run.partitions]
        whole = parts == [run.partitions]
        runs += [run] if whole else [_part(run, part, follows=run.follows) for part in parts]
    return progress.model_copy(update={"runs": tuple(runs)})


def short(content: str) -> str:
    """Sixteen characters that tell one content from another."""
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def named(partitions: Sequence[str]) -> str:
    """The first few of many partitions, and how many more there are."""
    more = len(partitions) - SHOWN
    return ", ".join(partitions[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _with_outcomes(
    progress: Progress, outcomes: Mapping[str, Outcome], after: After, places: Mapping[str, int]
) -> Progress:
    """What became of the runs that were asked for; those that succeeded are left out, and what follows them queued."""
    runs: list[Asked] = []
    succeeded: list[Asked] = []
    failures = progress.failures
    for run in progress.runs:
        unknown: Outcome = "failed" if run.state == "failed" else "lost"
        outcome = "queued" if run.state == "queued" else outcomes.get(run.key, unknown)
        if outcome == "succeeded":
            succeeded.append(run)
        elif outcome == "failed":
            failures += run.state != "failed"
            runs.append(run.model_copy(update={"state": "failed"}))
        elif outcome == "running":
            runs.append(run.model_copy(update={"state": "open"}))
        elif outcome == "queued" or (outcome == "lost" and run.state == "open"):
            runs.append(run.model_copy(update={"state": "queued"}))
    for run in succeeded:
        runs = _followed(runs, run, () if run.follows else after(run.partitions), places)
    return progress.model_copy(update={"runs": tuple(runs), "failures": 0 if succeeded else failures})


def _followed(runs: list[Asked], run: Asked, following: Sequence[str], places: Mapping[str, int]) -> list[Asked]:
    """`runs` with what follows `run`; of this, what had failed may have failed for want of it, and is made whole."""
    failed = {key for other in runs if other.state == "failed" for key in other.partitions} & set(following)
    again = [_part(run, part, follows=False) for part in _stretches(tuple(failed), places)]
    rest = [key for key in following if key not in failed]
    return [*_without(runs, failed), *again, *(_part(run, part, follows=True) for part in _stretches(rest, places))]


def _without(runs: Sequence[Asked], partitions: Collection[str]) -> list[Asked]:
    """`runs`, the failed ones without these partitions."""
    left: list[Asked] = []
    for run in runs:
        rest = (
            tuple(key for key in run.partitions if key not in partitions) if run.state == "failed" else run.partitions
        )
        left += [run.model_copy(update={"partitions": rest})] if rest else []
    return left


def _without_gone(progress: Progress, contents: Mapping[str, str]) -> Progress:
    """Without the states of partitions that nothing calls for any more: if they come back, they are new."""
    gone = sorted(progress.seen.keys() - contents.keys())
    seen = {key: content for key, content in progress.seen.items() if key in contents}
    return progress.model_copy(update={"seen": seen, "repeats": _counted(progress.repeats, gone)})


def _without_outdated(progress: Progress, contents: Mapping[str, str], changed: Mapping[str, str]) -> Progress:
    """Without those partitions of failed runs that are no longer wanted, or changed since and are asked for anew."""
    keys = {key for run in progress.runs for key in run.partitions if not run.follows and key not in contents}
    return progress.model_copy(update={"runs": tuple(_without(progress.runs, keys | changed.keys()))})


def _seeing(progress: Progress, contents: Mapping[str, str]) -> Progress:
    """Having seen `contents`."""
    changes = [key for key in contents if key in progress.seen]
    seen = {**progress.seen, **contents}
    return progress.model_copy(update={"seen": seen, "repeats": _counted(progress.repeats, changes)})


def _counted(repeats: Mapping[str, int], changes: Sequence[str]) -> dict[str, int]:
    return {**repeats, **{key: repeats.get(key, 0) + 1 for key in changes}}


def _halved(progress: Progress, places: Mapping[str, int]) -> Progress:
    """With each failed run over several partitions replaced by its halves."""
    runs: list[Asked] = []
    for run in progress.runs:
        middle = len(run.partitions) // 2
        if run.state != "failed" or middle == 0:
            runs.append(run)
            continue
        parts = [*_stretches(run.partitions[:middle], places), *_stretches(run.partitions[middle:], places)]
        runs += [_part(run, part, follows=run.follows) for part in parts]
    return progress.model_copy(update={"runs": tuple(runs)})


def _part(run: Asked, partitions: tuple[str, ...], *, follows: bool) -> Asked:
    return Asked(key=_key(partitions, run.key, follows), partitions=partitions, follows=follows)


def _requested(progress: Progress, places: Mapping[str, int], paging: Paging) -> tuple[tuple[Asked, ...], Progress]:
    """What goes out now, by the calendar: of what is queued, as much as may be open."""
    free = paging.open_runs - sum(run.state == "open" for run in progress.runs)
    queued = [run for run in progress.runs if run.state == "queued"]
    going = sorted(queued, key=lambda run: (run.follows, places[run.partitions[0]]))[: max(0, free)]
    opened = tuple(run.model_copy(update={"state": "open"}) for run in going)
    rest = tuple(run for run in progress.runs if run not in going)
    return opened, progress.model_copy(update={"runs": (*rest, *opened)})


def _planned(progress: Progress, due: Mapping[str, str], places: Mapping[str, int], paging: Paging) -> Progress:
    """With pages of what is due queued, as many as there may be runs at once."""
    size = paging.partitions_per_run
    stretches = _stretches(tuple(due), places)
    pages = [stretch[first : first + size] for stretch in stretches for first in range(0, len(stretch), size)]
    room = paging.open_runs - sum(run.state == "queued" for run in progress.runs)
    for page in pages[: max(0, room)]:
        progress = _seeing(progress, {key: due[key] for key in page})
        states = [(progress.seen[key], progress.repeats.get(key, 0)) for key in page]
        planned = Asked(key=_key(page, states), partitions=page)
        progress = progress.model_copy(update={"runs": (*progress.runs, planned)})
    return progress


def _stretches(partitions: Sequence[str], places: Mapping[str, int]) -> list[tuple[str, ...]]:
    """The partitions, by the calendar, in as few stretches without a gap as there can be."""
    known = sorted((key for key in partitions if key in places), key=places.__getitem__)
    breaks = [n for n, (one, next_one) in enumerate(pairwise(known), 1) if places[next_one] != places[one] + 1]
    return [tuple(known[first:last]) for first, last in pairwise([0, *breaks, len(known)]) if first < last]


def _key(partitions: Sequence[str], *reasons: object) -> str:
    """A run key that a person can read and that no other request has."""
    digest = hashlib.sha256(json.dumps([list(partitions), *reasons]).encode()).hexdigest()[:16]
    return f"{span(partitions)}: {digest}"


def span(partitions: Sequence[str]) -> str:
    """From the first to the last of them."""
    return partitions[0] if len(partitions) == 1 else f"{partitions[0]} to {partitions[-1]}"


def _told(progress: Progress, left: Sequence[str], unknown: Sequence[str], *, is_tripped: bool) -> Iterator[str]:
    open_runs = [span(run.partitions) for run in progress.runs if run.state == "open"]
    queued = [key for run in progress.runs if run.state == "queued" for key in run.partitions]
    failed = [key for run in progress.runs if run.state == "failed" for key in run.partitions]
    if open_runs:
        yield f"Not finished yet: {named(open_runs)}."
    if waiting := [*queued, *left]:
        yield f"{len(waiting):,} wait for their turn: {named(waiting)}."
    if failed:
        yield f"{len(failed):,} failed and are not asked for again before they change: {named(failed)}."
    if is_tripped:
        yield (
            f"The last {progress.failures} runs failed, so the cause is probably none of the partitions: nothing is "
            "repeated until a run succeeds. Mend the cause, then re-execute one of these runs."
        )
    if unknown:
        yield f"{len(unknown):,} are not in the calendar: {named(unknown)}."
