"""`ml-platform status`: how the use cases are, on one screen.

Belongs here: options and the exit code. Does not: the answer (`operations.look`), or how it looks
(`operations.health_text`).
"""

from typing import Annotated

import typer

from ml_platform.terminal import console

WIDTH = 100

UseCase = Annotated[list[str] | None, typer.Argument(metavar="[USE_CASE]...", help="Only these; all by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as data, with every partition.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(use_case: UseCase = None, as_json: AsJson = False) -> None:
    """What is fine, failed, late, degraded, running, stale and missing; who answers; open alerts.

    The exit code is 1 if something needs a person: something failed, is late or degraded, a version waits for approval,
    an alert is open, or runs wait for a daemon that is not running. Otherwise it is 0, also where something is stale,
    missing or at work.
    """
    from ml_platform.execution.instance import open_instance
    from ml_platform.operations.look import look
    from ml_platform.settings import Settings

    with open_instance() as instance:
        found = look(Settings(), instance, use_case or ())
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        from ml_platform.operations.health_text import screen

        console(WIDTH).print(screen(found), highlight=False)
    raise typer.Exit(1 if found.problems else 0)
