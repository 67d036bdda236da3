"""`ml-platform backfill ...`: partitions of tables and models made again, and what became of it.

Belongs here: options. Does not: what they mean (`operations.backfills`), or how it looks (`backfill_pages`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ml_platform.operations.backfills.here import Done
    from ml_platform.operations.backfills.request import Backfills
    from ml_platform.operations.backfills.states import State

Names = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Tables, models or whole use cases, as flights/clean or flights.")
]
Pipeline = Annotated[str | None, typer.Option(help="Of a use case, only this: data, training, serving, operations.")]
First = Annotated[str | None, typer.Option("--from", help="The first partition, such as 2013-07-01.")]
Last = Annotated[str | None, typer.Option("--to", help="The last partition.")]
Partition = Annotated[list[str] | None, typer.Option(help="This partition; may be repeated.")]
All = Annotated[bool, typer.Option("--all", help="Every partition of the calendar so far.")]
Failed = Annotated[bool, typer.Option("--failed", help="Those whose last run failed.")]
Stale = Annotated[bool, typer.Option("--stale", help="Those that `ml-platform status` shows as stale.")]
Missing = Annotated[bool, typer.Option("--missing", help="Those that are not there.")]
Downstream = Annotated[bool, typer.Option("--downstream", help="Also everything that is made from them.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be run, and for how long.")]
Here = Annotated[bool, typer.Option("--here", help="Do it in this process, without webserver and daemon.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The backfill's id, or its first characters.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as data.")]

app = typer.Typer(help="Partitions of tables and models made again: any set of them.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add `backfill ...` to the command."""
    root.add_typer(app, name="backfill")


@app.command()
def run(
    name: Names,
    pipeline: Pipeline = None,
    first: First = None,
    last: Last = None,
    partition: Partition = None,
    all_: All = False,
    failed: Failed = False,
    stale: Stale = False,
    missing: Missing = False,
    downstream: Downstream = False,
    dry_run: DryRun = False,
    here: Here = False,
) -> None:
    """Begin a backfill, as the UI's page of backfills shows it; the daemon of `make dev` goes on with it.

    --failed, --stale and --missing choose among the partitions that are named, or among all. Months of a model that are
    trained and promoted are a backfill each, one after the other: the command waits for all but the last.
    """
    from ml_platform.commands import backfill_pages as pages
    from ml_platform.operations.backfills.selection import Asked

    wanted: dict[State, bool] = {"failed": failed, "stale": stale, "missing": missing}
    states = [state for state, is_asked in wanted.items() if is_asked]
    asked = Asked(partition or (), first, last, all_, states)
    with _backfills(here=here) as backfills, backfills.api() as api:
        planned = backfills.plan(api, name, asked, pipeline=pipeline, downstream=downstream)
        pages.show_plan(planned)
        if dry_run or not planned.parts:
            return
        if here:
            _show(backfills.do_here(api, planned, typer.echo))
        else:
            pages.show_begun(backfills.begin(api, planned, typer.echo)[-1])


@app.command("list")
def list_backfills(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 20, as_json: AsJson = False
) -> None:
    """Backfills, the newest first, with what is made of each."""
    from ml_platform.commands.backfill_pages import show_list
    from ml_platform.execution.instance import open_instance
    from ml_platform.operations.backfills.progress import summary

    with open_instance() as instance:
        show_list([summary(each) for each in instance.get_backfills(limit=limit)], as_json=as_json)


@app.command()
def show(backfill_id: Id, as_json: AsJson = False) -> None:
    """What is made, failed, open and waiting of one, why runs failed, and the time left.

    It is as the daemon saw it last, which looks every 30 seconds.
    """
    from ml_platform.commands.backfill_pages import show_progress
    from ml_platform.execution.instance import open_instance
    from ml_platform.operations.backfills.progress import progress
    from ml_platform.operations.backfills.starting import find

    with open_instance() as instance:
        show_progress(progress(instance, find(instance, backfill_id)), as_json=as_json)


@app.command()
def cancel(backfill_id: Id) -> None:
    """End one: the daemon cancels its runs and asks for no more. What is made stands."""
    from ml_platform.execution.instance import open_instance
    from ml_platform.operations.backfills import starting

    with open_instance() as instance:
        found = starting.find(instance, backfill_id)
        starting.cancel(instance, found)
    typer.echo(f"Backfill {found.backfill_id} is being canceled by the daemon; `backfill resume` goes on with it.")


@app.command()
def resume(backfill_id: Id, dry_run: DryRun = False, here: Here = False) -> None:
    """Run what a backfill that is over has left: what failed, what was never made, and what hangs on it.

    One that was resumed before is gone on with where its last resumption stands.
    """
    from ml_platform.commands import backfill_pages as pages
    from ml_platform.operations.backfills import starting

    with _backfills(here=here) as backfills, backfills.api() as api:
        found = starting.newest_of(backfills.instance, starting.find(backfills.instance, backfill_id))
        planned = backfills.plan_left(api, found)
        pages.show_plan(planned)
        if dry_run:
            return
        if here:
            _show(backfills.do_here(api, planned, typer.echo, starting.resumed_tags(found)))
        else:
            pages.show_begun(backfills.resume(api, found, planned, typer.echo))


@contextmanager
def _backfills(*, here: bool) -> "Iterator[Backfills]":
    from ml_platform.execution.instance import open_instance
    from ml_platform.execution.launch import platform_location
    from ml_platform.operations.backfills.request import Backfills
    from ml_platform.provenance.catalog import read_catalogs
    from ml_platform.settings import Settings

    locations = [platform_location(name) for name in ("data", "training", "serving", "operations")]
    with open_instance() as instance:
        yield Backfills(Settings(), instance, read_catalogs(), locations, here=here)


def _show(done: "list[Done]") -> None:
    """What became of it; the exit code is 1 if something failed."""
    from ml_platform.commands.backfill_pages import show_done

    show_done(done)
    raise typer.Exit(1 if any(each.failures for each in done) else 0)
