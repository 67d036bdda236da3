"""`ml-platform new`, `land` and `schema`: a use case begun from a CSV file, what lands for it, and help to write it.

Belongs here: options and what is printed. Does not: what is written (`starter`), or sources of demonstrations (`demo`).
"""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ml_platform.demo.landing import Landed

Name = Annotated[str, typer.Argument(help="Name of the use case and of its folder, such as ferries.")]
From = Annotated[Path, typer.Option("--from", metavar="FILE", help="A CSV file with a header and a column of dates.")]
Label = Annotated[str | None, typer.Option(help="The column to predict.")]
Day = Annotated[str | None, typer.Option(help="The column of dates; the only one unless said.")]
Key = Annotated[
    list[str] | None,
    typer.Option(help="A column that says, with the day and the other keys, which row is which; guessed unless said."),
]
TimeZone = Annotated[str, typer.Option(help="IANA time zone in which a day begins.")]
Owner = Annotated[str | None, typer.Option(help="E-mail address, or team:<name>; team:NAME unless said.")]
UseCase = Annotated[str, typer.Argument(help="A use case; flights and bike_demand have an upstream of their own.")]
OnlyDay = Annotated[
    list[dt.datetime] | None, typer.Option("--day", formats=["%Y-%m-%d"], help="Only this day; may be repeated.")
]
FromFile = Annotated[
    Path | None, typer.Option("--from", metavar="FILE", help="A CSV file with many days, which is cut into one a day.")
]
Table = Annotated[str | None, typer.Option(help="The landed table that the file is of, if there are several.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(new)
    app.command()(land)
    app.command()(schema)


def new(
    name: Name,
    source: From,
    label: Label = None,
    day: Day = None,
    key: Key = None,
    timezone: TimeZone = "UTC",
    owner: Owner = None,
) -> None:
    """Write a use case that runs, from the columns of a CSV file: contracts, functions and YAML, to be made better.

    It is written below ml_platform/use_cases, or the folder that ML_PLATFORM_USE_CASES names.
    """
    from ml_platform.components.references import use_cases_folder
    from ml_platform.starter.columns import read_file
    from ml_platform.starter.plan import Asked, plan
    from ml_platform.starter.writing import require_new, write

    folder = use_cases_folder()
    require_new(name, folder)
    planned = plan(name, read_file(source), Asked(label, day, key or (), timezone, owner))
    write(planned, folder)
    typer.echo(f"{name} predicts {planned.label.name}, a {planned.task.kind} outcome, from")
    typer.echo(f"  {', '.join(column.name for column in planned.features)}")
    keys = ", ".join(column.name for column in (planned.day, *planned.keys))
    typer.echo(f"A row is told by {keys}. It is predicted when its day begins, {timezone}.")
    typer.echo(f"Say in contract.py which columns are not known by then. Written to {folder / name}.")


def land(use_case: UseCase = "flights", day: OnlyDay = None, source: FromFile = None, table: Table = None) -> None:
    """Do as an upstream: drop daily objects into the landing zone, of a file or of a demonstration's source."""
    from ml_platform.demo.shown import shown
    from ml_platform.settings import Settings

    days = [dt.date(one.year, one.month, one.day) for one in day] if day else None
    landed = _of_file(source, use_case, table, days) if source else shown(use_case).land(Settings(), days=days)
    typer.echo(f"{landed.written} objects written, {landed.unchanged} were there already")


def schema(
    file: Annotated[str, typer.Argument(help="use_case, data, training or serving: the YAML file it is of.")],
) -> None:
    """The JSON schema of a use case's YAML file, for an editor: every field with its meaning and default.

    Save it, and name it in the first line of the file: `# yaml-language-server: $schema=PATH`.
    """
    import json

    from ml_platform.components.schemas import schema_of

    typer.echo(json.dumps(schema_of(file), indent=2))


def _of_file(source: Path, use_case: str, table: str | None, days: list[dt.date] | None) -> "Landed":
    from ml_platform.components.references import use_cases_folder
    from ml_platform.demo.landing import land_objects
    from ml_platform.provenance.catalog import Catalog
    from ml_platform.settings import Settings
    from ml_platform.starter.landing import objects_of

    objects = objects_of(source, Catalog(use_cases_folder() / use_case), table)
    wanted = {path: data for path, data in objects.items() if not days or any(str(each) in path for each in days)}
    return land_objects(Settings(), wanted)
