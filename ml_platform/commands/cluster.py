"""`ml-platform cluster`: the whole profile `server` on this machine, until Ctrl-C.

Belongs here: options, and what is printed. Does not: the processes (`local_servers`).
"""

import signal
from collections.abc import Mapping
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from ml_platform.terminal import console

FOLDER = "server"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(cluster)


def cluster(port: Annotated[int, typer.Option(help="Of the UI; any other one if it is taken.")] = 3000) -> None:
    """Run every process of a platform of servers: stores, broker, workers, code servers, daemon, webserver, and the
    online service of each model that can be served.

    They listen on free ports of the loopback interface, and write a log each. One that dies is started again. Ctrl-C
    ends all of them; what is stored stays below server/ in the platform's home. Other commands join the servers with
    `ml-platform with-servers`.
    """
    from ml_platform.components.references import use_case_folders
    from ml_platform.components.sound import each_of
    from ml_platform.local_servers.dagster_processes import dagster_processes
    from ml_platform.local_servers.online import online_services
    from ml_platform.local_servers.ports import free_ports, is_free
    from ml_platform.local_servers.together import all_servers
    from ml_platform.online.declared import models_of
    from ml_platform.settings import Settings

    home, ended = Settings(home=Settings().home / FOLDER), Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    at = port if is_free(port) else free_ports(1)[0]
    console().print("Starting; the first answer takes a minute or two.")
    folder = home.home / "servers"
    found = each_of(use_case_folders(), models_of, "online services", strict=False)
    models = [model.name for of_use_case in found.sound for model in of_use_case]
    with (
        all_servers(home) as told,
        dagster_processes(folder / "dagster", told, at) as dagster,
        online_services(folder / "online", told, models) as online,
    ):
        console().print(_told(folder, told, dagster.url, online), soft_wrap=True)
        ended.wait()
        console().print("Ending; steps at work are handed back, and go on with the next start.")


def _told(folder: Path, told: Mapping[str, str], url: str, online: Mapping[str, str]) -> str:
    broker = "ML_PLATFORM_CELERY_BROKER_URL" in told
    mlflow, user = told["ML_PLATFORM_MLFLOW_TRACKING_URI"], told["MLFLOW_TRACKING_USERNAME"]
    return "\n".join(
        [
            f"UI           {url}",
            f"MLflow       {mlflow} (user {user}, password in {folder / 'mlflow' / 'password'})",
            f"objects      {told['ML_PLATFORM_S3_ENDPOINT_URL']}",
            f"steps        {'at two workers' if broker else 'on this machine: RabbitMQ is not installed'}",
            *(f"predictions  of {model} at {address}/docs" for model, address in online.items()),
            f"logs         {folder}/*/server.log, {folder}/*/*/server.log",
            "Ctrl-C ends all of it.",
        ]
    )
