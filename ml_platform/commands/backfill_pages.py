"""How `ml-platform backfill` looks.

Belongs here: tables and sentences. Does not: what they tell (`operations.backfills`).
"""

import json
from collections.abc import Sequence
from datetime import datetime

import typer

from ml_platform.operations.backfills.here import Done
from ml_platform.operations.backfills.progress import Progress
from ml_platform.operations.backfills.request import Planned
from ml_platform.operations.health_text import keys
from ml_platform.recovery.alerts.message import duration
from ml_platform.terminal import console, table

SHOWN = 5


def show_plan(planned: Planned) -> None:
    """What would be made, in how many runs, and how long it would take."""
    if not planned.parts:
        typer.echo(f"Nothing to do: no partition of {planned.title} is as was asked for.")
        return
    rows = [
        (name, planned.assets[name].location, f"{len(of) or 1:,}", keys(of) if of else "all of it")
        for name, of in planned.parts.items()
    ]
    console().print(table("", ("asset", "pipeline", "partitions", "which"), rows))
    count = sum(len(of) or 1 for of in planned.parts.values())
    typer.echo(f"{_counted(count, 'partition')} in {_counted(planned.runs, 'run')}. {_told(planned)}")
    if len(planned.waves) > 1:
        typer.echo(
            f"{len(planned.waves)} backfills, one after the other: the gate of a month compares with the champion of "
            "the months before it."
        )
    if planned.left_out:
        typer.echo(f"Left out, since they have no partitions and nobody named them: {', '.join(planned.left_out)}.")


def show_list(found: Sequence[Progress], *, as_json: bool) -> None:
    """One line each."""
    if as_json:
        typer.echo(json.dumps([_data(each) for each in found], indent=2, default=str))
        return
    if not found:
        typer.echo("No backfill was started yet. `ml-platform backfill run --help` says how.")
        return
    rows = [
        (
            each.backfill_id,
            each.status,
            each.title or _names(each),
            f"{each.made:,}",
            f"{each.failed:,}",
            f"{each.targeted:,}",
            f"{each.began_at:%Y-%m-%d %H:%M}",
        )
        for each in found
    ]
    columns = ("backfill", "state", "what", "made", "failed", "of", "began (UTC)")
    console().print(table("Backfills", columns, rows, wide=2))


def show_progress(found: Progress, *, as_json: bool) -> None:
    """One backfill on a page."""
    if as_json:
        typer.echo(json.dumps(_data(found), indent=2, default=str))
        return
    columns = ("asset", "partitions", "made", "failed", "open", "waiting")
    rows = [
        (each.name, *(f"{number:,}" for number in (each.targeted, each.made, each.failed, each.open, each.waiting)))
        for each in found.assets
    ]
    console().print(table(f"{found.backfill_id}  {found.title or _names(found)}", columns, rows))
    typer.echo(_state(found))
    if found.runs:
        typer.echo(f"Runs: {', '.join(f'{count:,} {status}' for status, count in sorted(found.runs.items()))}.")
    for reason, count in sorted(found.reasons.items(), key=lambda each: -each[1])[:SHOWN]:
        typer.echo(f"{count:,} failed: {reason}")
    if found.error:
        typer.echo(f"The daemon gave it up: {found.error}")
    if found.resumes:
        typer.echo(f"It goes on with {found.resumes}.")
    if found.resumed_as:
        typer.echo(f"It was resumed as {found.resumed_as}.")
    elif found.is_over and found.made < found.targeted:
        typer.echo(f"`ml-platform backfill resume {found.backfill_id}` runs what is left.")


def show_done(done: Sequence[Done]) -> None:
    """What became of backfills that were done in this process."""
    for each in done:
        for failure in each.failures:
            typer.echo(failure)
        left = f"; {_counted(each.left_out, 'run')} that needed them left out" if each.left_out else ""
        what = f"{_counted(len(each.failures), 'run')} failed{left}" if each.failures else "everything was made"
        typer.echo(f"Backfill {each.backfill_id}: {what}.")
        if each.failures:
            typer.echo(f"`ml-platform backfill resume {each.backfill_id} --here` runs what is left.")


def show_begun(backfill_id: str) -> None:
    """Where to look."""
    typer.echo(f"The daemon looks every 30 seconds. `ml-platform backfill show {backfill_id}` tells how far it is.")


def _told(planned: Planned) -> str:
    """How long, from how many observations."""
    estimate = planned.estimate
    unknown = ", ".join(estimate.without_history[:SHOWN])
    if not estimate.observations:
        return f"There is no history of {unknown} that would tell how long."
    past = _counted(estimate.observations, "past run")
    told = f"About {duration(estimate.seconds)} of work, by {past} of these steps; one after the other, and "
    told += f"up to {planned.looks * 30} s until the daemon has looked {_counted(planned.looks, 'time')}."
    return f"{told} Not counted, for want of history: {unknown}." if unknown else told


def _state(found: Progress) -> str:
    if found.ended_at:
        return f"State: {found.status}, after {_lasted(found.began_at, found.ended_at)}."
    if found.is_over:
        return f"State: {found.status}."
    left = f"about {duration(found.seconds_left)} left at the pace so far" if found.seconds_left is not None else ""
    return f"State: {found.status}, since {found.began_at:%Y-%m-%d %H:%M} UTC; {left or 'nothing is made yet'}."


def _lasted(since: datetime, until: datetime) -> str:
    return duration((until - since).total_seconds())


def _names(found: Progress) -> str:
    names = [each.name for each in found.assets]
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _data(found: Progress) -> dict[str, object]:
    return {
        **found._asdict(),
        "assets": [{**each._asdict(), "waiting": each.waiting} for each in found.assets],
        "made": found.made,
        "failed": found.failed,
        "targeted": found.targeted,
    }


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
