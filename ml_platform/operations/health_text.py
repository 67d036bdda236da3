"""The screen of `ml-platform status`: what is fine takes a line, what is not says what, which, since when and why.

Belongs here: words and layout. Does not: the answer (`health`).
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ml_platform.operations.health import Finding, Health, ModelHealth, State, TableHealth, UseCaseHealth
from ml_platform.storage.batches import UNPARTITIONED

STYLE: dict[str, str] = {
    "fine": "green",
    "broken": "bold red",
    "failed": "bold red",
    "late": "bold red",
    "degraded": "yellow",
    "stale": "yellow",
    "running": "cyan",
    "queued": "cyan",
    "missing": "dim",
}
LABEL_WIDTH = 9
ALERTS_SHOWN = 5
NOTHING_PUBLISHED = "Nothing is published yet. `make demo` runs the demonstration; `make dev` opens the UI."
_UNITS = ((86_400, "day", "days"), (3_600, "hour", "hours"), (60, "minute", "minutes"))


class Line(NamedTuple):
    """What stands behind one label; `more` is set below it, dimmed."""

    label: str
    told: str
    more: tuple[str, ...] = ()


def screen(health: Health) -> RenderableType:
    """Each use case, then the platform, then whether a person is needed."""
    parts: list[RenderableType] = []
    for broken in health.broken:
        parts += [Text(broken.name, "bold"), _grid(iter([Line("broken", broken.error)])), Text()]
    for case in health.use_cases:
        owners = f"  {', '.join(case.owners)}" if case.owners else ""
        parts += [Text.assemble((case.name, "bold"), (owners, "dim")), _grid(_of_use_case(case, health.at)), Text()]
    parts += [Text("platform", "bold"), _grid(_of_platform(health)), Text()]
    if problems := health.problems:
        parts.append(Text(f"A person is needed: {', '.join(problems)}.", "bold red"))
    else:
        parts.append(Text("Nothing needs a person.", "green"))
    return Group(*parts)


def keys(partitions: Sequence[str]) -> str:
    """Partitions in a few words: a stretch of days by its ends, others by the first of them."""
    if list(partitions) == [UNPARTITIONED]:
        return ""
    first, count = partitions[0], len(partitions)
    if count == 1:
        return first
    if _is_stretch(partitions):
        return f"{first}..{partitions[-1]} ({count:,} days)"
    return f"{first} to {partitions[-1]} ({count:,} partitions)"


def elapsed(since: dt.datetime, now: dt.datetime) -> str:
    """How long it has been so, in the largest unit."""
    seconds = int((now - since).total_seconds())
    for size, one, many in _UNITS:
        if seconds >= size:
            return f"{seconds // size:,} {one if seconds < 2 * size else many}"
    return "moments"


def _of_use_case(case: UseCaseHealth, now: dt.datetime) -> Iterator[Line]:
    if not any(table.published for table in case.tables):
        yield Line("missing", NOTHING_PUBLISHED)
    elif case.fine:
        yield Line("fine", _fine(case.fine))
    for model in case.models:
        yield _model(model, now)
    for state in ("failed", "late", "degraded", "running", "queued"):
        yield from (_finding(each, now) for each in case.of(state))
    yield from _summed("stale", case.of("stale"))
    if any(table.published for table in case.tables):
        yield from _summed("missing", case.of("missing"))


def _fine(tables: Sequence[TableHealth]) -> str:
    daily: dict[str, list[str]] = defaultdict(list)
    for table in tables:
        if table.newest:
            daily[table.newest].append(table.name.partition("/")[2])
    by_key, count = [table for table in tables if table.by == "key"], len(tables)
    whole = [table for table in tables if table.by == "whole"]
    told = [f"{count} {'table' if count == 1 else 'tables'}"]
    if len(daily) == 1:
        told.append(f"{len(*daily.values())} daily, to {next(iter(daily))}")
    else:
        told += [f"to {day}: {', '.join(names)}" for day, names in sorted(daily.items(), reverse=True)]
    told += [f"{len(by_key)} by key, of {max(table.published for table in by_key):,}"] if by_key else []
    return "; ".join([*told, *([f"{len(whole)} whole"] if whole else [])])


def _model(model: ModelHealth, now: dt.datetime) -> Line:
    if model.problem:
        return Line("model", model.problem)
    if model.champion is None:
        return Line("model", f"{model.name}: nobody answers yet; {model.versions} versions are registered")
    since = f", champion for {elapsed(model.promoted_at, now)}" if model.promoted_at else ""
    behind = f"; last known good: {model.last_known_good}" if model.last_known_good else ""
    told = f"{model.name} {model.champion} answers, as of {model.as_of:%Y-%m}{since}{behind}"
    waiting = tuple(
        f"version {version} waits: ml-platform approve {model.name} {version} --reason ..." for version in model.waiting
    )
    alarm = (f"alarm: {model.alarm}",) if model.alarm else ()
    return Line("model", told, (*alarm, *waiting))


def _finding(found: Finding, now: dt.datetime) -> Line:
    facts = [found.error_class, found.error, found.rung.replace("_", " ")]
    told = " ".join(part for part in (found.asset, keys(found.partitions)) if part)
    since = f"for {elapsed(found.since, now)}" if found.since else ""
    told = "  ".join([told, ", ".join(part for part in (*facts, since) if part)])
    more = [found.what] if found.state not in ("running", "queued") else []
    if found.also:
        more.append(f"with it: {', '.join(found.also)}")
    if found.run_id and found.state != "degraded":
        more.append(f"run {found.run_id}")
    return Line(found.state, told, tuple(more))


def _summed(label: State, findings: Sequence[Finding]) -> Iterator[Line]:
    """Findings that differ in nothing but the table, on one line."""
    groups: dict[tuple[tuple[str, ...], str], list[str]] = defaultdict(list)
    for each in findings:
        groups[each.partitions, each.what].append(each.asset)
    for (partitions, what), assets in groups.items():
        told = f"{', '.join(assets)} {keys(partitions)}".rstrip()
        yield Line(label, told, (what,) if what else ())


def _of_platform(health: Health) -> Iterator[Line]:
    if health.is_daemon_alive:
        yield Line("daemon", "alive: schedules, sensors and queued runs are served")
    else:
        seen = f"; last seen {elapsed(health.daemon_seen_at, health.at)} ago" if health.daemon_seen_at else ""
        yield Line("daemon", f"not running: nothing happens by itself{seen}")
    yield Line("runs", f"{health.runs_at_work} at work, {health.runs_queued} queued")
    if not health.alerts:
        yield Line("alerts", "none open")
    for each in health.alerts[:ALERTS_SHOWN]:
        times = f", {each.times:,} times" if each.times > 1 else ""
        yield Line(
            "alerts", f"{each.subject}  {each.severity}, for {elapsed(each.since, health.at)}{times}", (each.what,)
        )
    if (left := len(health.alerts) - ALERTS_SHOWN) > 0:
        yield Line("", f"and {left:,} more: ml-platform alerts list")
    if health.mlflow_waiting:
        trainings = "1 training" if health.mlflow_waiting == 1 else f"{health.mlflow_waiting:,} trainings"
        yield Line("MLflow", f"has still to be told of {trainings}: ml-platform tracking replay")


def _grid(lines: Iterator[Line]) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    grid.add_column(width=LABEL_WIDTH, no_wrap=True)
    grid.add_column(overflow="fold")
    before = ""
    for label, told, more in lines:
        shown = "" if label == before else label
        before = label
        grid.add_row("", Text(shown, STYLE.get(label, "")), Text(told))
        for each in more:
            grid.add_row("", "", Text(each, "dim"))
    return grid


def _is_stretch(partitions: Sequence[str]) -> bool:
    try:
        days = [dt.date.fromisoformat(key) for key in partitions]
    except ValueError:
        return False
    return all(after - before == dt.timedelta(days=1) for before, after in pairwise(days))
