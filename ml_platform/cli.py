"""The `ml-platform` command. Imports are light: each subcommand brings in what it needs."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ml_platform.commands import (
    alerts,
    backfill,
    cards,
    cluster,
    doctor,
    keys,
    local_servers,
    models,
    new,
    replay,
    reproduce,
    score,
    serve,
    status,
    tables,
    trace,
    tracking,
    worker,
)
from ml_platform.errors import PlatformError
from ml_platform.terminal import console

app = typer.Typer(
    help="An asset-based machine-learning platform on Dagster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

AsJson = Annotated[bool, typer.Option("--json", help="The same as data.")]

SameAs = Annotated[
    Path | None,
    typer.Option(
        "--same-as", help="Compare tables and models with a summary saved by --json; exit code 1 if they differ."
    ),
]


UseCaseName = Annotated[str, typer.Argument(help="A use case with an upstream: flights, bike_demand or car_parks.")]


@app.command()
def demo(use_case: UseCaseName = "flights") -> None:
    """One use case on real data: landed, cleaned, learnt from and predicted, then summed up."""
    from ml_platform.demo.run import run_demo
    from ml_platform.demo.summary import collect
    from ml_platform.demo.tables import show
    from ml_platform.settings import Settings

    settings = Settings()
    run_demo(settings, use_case)
    show(collect(settings, use_case), console())


@app.command()
def summary(use_case: UseCaseName = "flights", as_json: AsJson = False, same_as: SameAs = None) -> None:
    """What is there: rows, models and their scores, predictions, and what the last demonstration cost."""
    from ml_platform.demo.summary import collect, differences, read_summary
    from ml_platform.demo.tables import show, show_differences
    from ml_platform.settings import Settings

    found = collect(Settings(), use_case)
    if same_as is not None:
        differing = differences(found, read_summary(same_as))
        show_differences(differing, console())
        raise typer.Exit(1 if differing else 0)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        show(found, console())


alerts.register(app)
backfill.register(app)
cards.register(app)
cluster.register(app)
keys.register(app)
models.register(app)
new.register(app)
replay.register(app)
reproduce.register(app)
score.register(app)
serve.register(app)
status.register(app)
tables.register(app)
local_servers.register(app)
doctor.register(app)
trace.register(app)
tracking.register(app)
worker.register(app)


def main() -> None:
    """Run the command; an error of the platform is its message alone, and exit code 1."""
    try:
        app()
    except PlatformError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
