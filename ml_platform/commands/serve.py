"""`ml-platform serve`: predictions on request.

Belongs here: options. Does not: the service (`online`).
"""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    model: Annotated[str, typer.Argument(help="Registered model, as serving/defs.yaml names it.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond this machine only with a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
) -> None:
    """Answer requests with the champion of a model, with the features of the batch; see docs/online.md.

    The page of the API is at /docs. SIGTERM or Ctrl+C ends it once the requests that it took are answered.
    """
    from ml_platform.online.declared import online_model
    from ml_platform.online.server import serve as run
    from ml_platform.settings import Settings

    run(online_model(model), Settings(), host, port)
