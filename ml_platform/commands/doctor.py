"""`ml-platform doctor`: whether everything that the settings name can be used from here.

Belongs here: options, output and the exit code. Does not: the looks (`operations.doctor`).
"""

import json
from typing import Annotated

import typer

from ml_platform.terminal import console, table

ReadsOnly = Annotated[bool, typer.Option("--reads-only", help="Only what is read, as the online service does.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as data.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(as_json: AsJson = False, reads_only: ReadsOnly = False) -> None:
    """Look at each store, database, server and receiver that settings and use cases name; say what to do.

    Objects are written, created a second time, read, listed and deleted; nothing stays. With
    --reads-only they are listed and read, for credentials that may do no more. No alert is sent. The exit code
    is 1 if something is wrong, and 0 where something optional is not set up.
    """
    from ml_platform.operations.doctor import examine
    from ml_platform.operations.doctor_declared import examine_declared
    from ml_platform.provenance.catalog import read_catalogs
    from ml_platform.settings import Settings

    settings = Settings()
    found = list(examine(settings, reads_only=reads_only))
    if not reads_only:
        found += examine_declared(settings, read_catalogs())
    if as_json:
        typer.echo(json.dumps([each._asdict() for each in found], indent=2))
    else:
        rows = [(each.part, each.state, " ".join(filter(None, (each.what, each.remedy)))) for each in found]
        console().print(table("", ["part", "state", "what was found"], rows, wide=2))
    raise typer.Exit(1 if any(each.state == "wrong" for each in found) else 0)
