"""`ml-platform trace` and `ml-platform openlineage`: what results come from, and what follows from data."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.errors import RowNotFoundError
from ml_platform.terminal import console

if TYPE_CHECKING:
    from ml_platform.provenance.trace import Direction

WIDTH = 140  # trees are deep

Start = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A table or record (flights/delay_predictions), `landing`, or a registered model (flights_delay).",
    ),
]
Key = Annotated[
    str | None,
    typer.Argument(
        metavar="[KEY]",
        help="Its partition (2013-11-05) or a range of them (2013-11-01..2013-11-07); after `landing` the path of the "
        "object; after a model its version.",
    ),
]
Row = Annotated[
    str | None,
    typer.Option("--row", metavar="COLUMN=VALUE,...", help="Follow one row; enough columns to find just one."),
]
Upstream = Annotated[
    bool | None,
    typer.Option(
        "--upstream/--downstream",
        help="What it follows from, or what follows from it. By default a landing object is followed downstream, "
        "anything else upstream.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="The same as data, with every hash in full.")]
Events = Annotated[
    str | None,
    typer.Option("--openlineage", metavar="FILE|URL", help="Also write the runs of the trace as OpenLineage events."),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="FILE|URL", help="Where events go; by default ML_PLATFORM_OPENLINEAGE_URL."),
]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="All runs that ended at or after this instant (UTC)."
    ),
]


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command("trace")(trace)
    app.command("openlineage")(openlineage)


def trace(
    name: Start,
    key: Key = None,
    row: Row = None,
    upstream: Upstream = None,
    as_json: AsJson = False,
    events_to: Events = None,
) -> None:
    """Where a result comes from, back to the landing objects; or what an object or a partition led to.

    ml-platform trace flights/delay_predictions 2013-11-05 --row carrier=UA,flight_number=73,origin=EWR

    ml-platform trace landing flights/flights/2013-10-05.csv

    ml-platform trace flights/clean 2013-10-05 --downstream

    ml-platform trace flights_delay 2
    """
    from ml_platform.execution.instance import open_instance
    from ml_platform.provenance.trace_links import AssetLinks
    from ml_platform.provenance.trace_question import Question, answer
    from ml_platform.settings import Settings

    question, settings = Question(name, key, _direction(upstream), _values(row) if row else None), Settings()
    with open_instance() as instance:
        links = AssetLinks.of_platform()
        found = answer(question, settings, instance, links)
        if events_to:
            from ml_platform.provenance.openlineage import tell
            from ml_platform.provenance.openlineage_steps import runs_to_tell

            runs = runs_to_tell(instance, found.run_ids, None)
            typer.echo(tell(runs, events_to, instance, links, settings), err=True)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    from ml_platform.provenance.trace_text import summary_of, tree_of

    console(WIDTH).print(tree_of(found), summary_of(found), highlight=False, sep="\n\n")


def openlineage(
    run_ids: Annotated[list[str] | None, typer.Argument(metavar="[RUN_ID]...", help="Dagster runs.")] = None,
    since: Since = None,
    to: To = None,
) -> None:
    """Runs as OpenLineage events: what each read and wrote, at which versions, and the checks that it executed.

    A file gets one event a line, after those that it has; a URL gets one request for each.
    """
    from ml_platform.execution.instance import open_instance
    from ml_platform.provenance.openlineage import tell
    from ml_platform.provenance.openlineage_steps import runs_to_tell
    from ml_platform.provenance.trace_links import AssetLinks
    from ml_platform.settings import Settings

    settings = Settings()
    with open_instance() as instance:
        runs = runs_to_tell(instance, run_ids or [], since)
        typer.echo(tell(runs, to, instance, AssetLinks.of_platform(), settings))


def _direction(upstream: bool | None) -> "Direction | None":
    return None if upstream is None else "upstream" if upstream else "downstream"


def _values(row: str) -> dict[str, str]:
    """The pairs of `--row`.

    Raises:
        RowNotFoundError: a part of it is not column=value.
    """
    pairs = [part.partition("=") for part in row.split(",")]
    if wrong := ["".join(part) for part in pairs if not part[1] or not part[0].strip()]:
        raise RowNotFoundError(
            "--row cannot be read.", expected="column=value, several by comma", got=", ".join(wrong) or "nothing"
        )
    return {column.strip(): value.strip() for column, _, value in pairs}
