"""The `ml-platform` command. Imports are light: each subcommand brings in what it needs."""

import sys
from datetime import date, datetime
from typing import Annotated

import typer
from rich.console import Console

from ml_platform.errors import PlatformError

WIDTH_OF_TABLES = 120

app = typer.Typer(
    help="An asset-based machine-learning platform on Dagster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Day = Annotated[
    list[datetime] | None, typer.Option("--day", formats=["%Y-%m-%d"], help="Only this day; may be repeated.")
]
AsJson = Annotated[bool, typer.Option("--json", help="The same as data.")]


@app.command()
def demo() -> None:
    """A year of real flights: landed, cleaned, learnt from and predicted, then summed up."""
    from ml_platform.demo.run import run_demo
    from ml_platform.demo.summary import collect
    from ml_platform.demo.tables import show
    from ml_platform.settings import Settings

    settings = Settings()
    run_demo(settings)
    show(collect(settings), _console())


@app.command()
def land(day: Day = None) -> None:
    """Do as the demonstration's upstream: drop daily objects into the landing zone."""
    from ml_platform.demo.upstream import land_everything
    from ml_platform.settings import Settings

    days = [date(one.year, one.month, one.day) for one in day] if day else None
    landed = land_everything(Settings(), days=days)
    typer.echo(f"{landed.written} objects written, {landed.unchanged} were there already")


@app.command()
def summary(as_json: AsJson = False) -> None:
    """What is there: rows, models and their scores, predictions, and what the last demonstration cost."""
    from ml_platform.demo.summary import collect
    from ml_platform.demo.tables import show
    from ml_platform.settings import Settings

    found = collect(Settings())
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        show(found, _console())


def _console() -> Console:
    """As wide as the terminal; where there is none, as wide as the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_TABLES)


def main() -> None:
    """Run the command; an error of the platform is its message alone, and exit code 1."""
    try:
        app()
    except PlatformError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
