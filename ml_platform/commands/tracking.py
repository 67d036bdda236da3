"""`ml-platform tracking`: what MLflow has still to be told, and telling it.

Belongs here: options and output. Does not: what is told (`tracking`).
"""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.errors import RegistryError

if TYPE_CHECKING:
    from ml_platform.tracking.journal import Waiting

app = typer.Typer(help="What MLflow was to be told while it was away.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="The same as data.")]


@app.command("pending")
def pending(as_json: AsJson = False) -> None:
    """What waits for MLflow: by run, since when and why."""
    from ml_platform.settings import Settings
    from ml_platform.tracking.resource import MlflowTracking

    waiting = MlflowTracking.from_settings(Settings()).journal.pending()
    if as_json:
        typer.echo(json.dumps([_as_data(each) for each in waiting], indent=2))
    elif not waiting:
        typer.echo("Nothing waits for MLflow.")
    for each in () if as_json else waiting:
        typer.echo(_line(each))


@app.command("replay")
def replay(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be told.")] = False,
) -> None:
    """Tell MLflow what waits. It may be killed and repeated at any time: MLflow is told once."""
    from ml_platform.settings import Settings
    from ml_platform.tracking.resource import MlflowTracking

    tracking = MlflowTracking.from_settings(Settings())
    if dry_run or not tracking.journal.pending():
        pending()
        return
    refused = 0
    for each in tracking.replay():
        if each.refused:
            refused += 1
            typer.echo(f"{_name(each.waiting)}: refused, and waits on: {each.refused}", err=True)
            continue
        typer.echo(f"{_name(each.waiting)}: told, as {tracking.run_url(each.run_id)}")
        for awaited in each.waiting.awaited:
            typer.echo(f"  materialize {awaited.asset} {awaited.partition}, unless the daemon does")
    if refused:
        raise RegistryError(
            f"MLflow refuses what waits for {refused} run(s).",
            kept="It waits on below the artifacts, in tracking/waiting.",
            remedy="Correct MLflow, and run this again; or delete what it is not to be told.",
        )


def register(cli: typer.Typer) -> None:
    """Add the commands to the `ml-platform` command."""
    cli.add_typer(app, name="tracking")


def _line(waiting: "Waiting") -> str:
    delayed = "".join(f"; {each.asset} {each.partition} waits to be materialized" for each in waiting.awaited)
    since = f"{waiting.since:%Y-%m-%d %H:%M} UTC"
    return f"{_name(waiting)}: {waiting.entries} entries since {since} ({waiting.reason}){delayed}"


def _name(waiting: "Waiting") -> str:
    return f"{waiting.asset} {waiting.partition}".strip() or waiting.run


def _as_data(waiting: "Waiting") -> dict[str, object]:
    awaited = [{"asset": each.asset, "partition": each.partition} for each in waiting.awaited]
    return {**waiting._asdict(), "since": waiting.since.isoformat(), "awaited": awaited}
