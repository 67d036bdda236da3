"""`ml-platform replay`: the demonstration's year again, a day at a time, while the platform drives itself.

Belongs here: options, and starting `dagster dev` where it is asked for. Does not: the replay (`ml_platform.replay`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.terminal import console

if TYPE_CHECKING:
    from ml_platform.settings import Settings

FOLDER = "replay"
UI_PORT = 3000

UseCase = Annotated[str, typer.Argument(help="Use case whose upstream the demonstration has: flights.")]
First = Annotated[
    datetime,
    typer.Option("--from", formats=["%Y-%m-%d"], help="First day to land by itself; all before land at once."),
]
Days = Annotated[int, typer.Option(help="How many days land one by one.")]
Speed = Annotated[float, typer.Option(help="How many times faster than the clock; 2880: a day each 30 seconds.")]
Alone = Annotated[
    bool,
    typer.Option(
        help="Start `dagster dev` for it, with all sensors on and a home of its own below the platform's, and end it "
        "afterwards. Otherwise one has to run on this home."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(replay)


def replay(
    use_case: UseCase = "flights",
    first: First = datetime(2013, 10, 1),  # noqa: DTZ001 - a day of the calendar, not an instant
    days: Days = 30,
    speed: Speed = 2880.0,
    alone: Alone = False,
) -> None:
    """Drop a year's days into the landing zone one after the other, and watch the platform do the rest by itself.

    Ingestion, features, predictions, their quality, and with each month a training and its promotion: sensors ask for
    every run. At the end it says how long a day took from landing to its predictions, and where that time went.
    """
    from ml_platform.settings import Settings

    settings = Settings()
    if alone:
        with _driven(Settings(home=settings.home / FOLDER)) as own:
            _perform(own, use_case, first, days, speed)
    else:
        _perform(settings, use_case, first, days, speed)


def _perform(settings: "Settings", use_case: str, first: datetime, days: int, speed: float) -> None:
    from ml_platform.execution.instance import open_instance
    from ml_platform.replay.pace import paced, replayable
    from ml_platform.replay.performance import STAGES, Replay
    from ml_platform.replay.text import show

    found, out = replayable(use_case), console()
    pace = paced(found, first.date(), days, speed)
    with open_instance() as instance:
        seen = Replay(settings, found, instance, pace, lambda line: out.print(line, highlight=False)).perform()
    show(seen, STAGES, out)


@contextmanager
def _driven(settings: "Settings") -> Iterator["Settings"]:
    """The settings of a home of its own, on which `dagster dev` runs with every sensor on for as long as the block."""
    import os

    from ml_platform.local_servers.dagster_dev import dagster_dev
    from ml_platform.local_servers.ports import is_free

    # for the instance of this process as well, which goes by the same home
    os.environ |= {"ML_PLATFORM_HOME": str(settings.home.resolve()), "ML_PLATFORM_SENSORS": "all"}
    log = settings.home / "dev.log"
    with dagster_dev(os.environ, log, port=UI_PORT if is_free(UI_PORT) else None) as served:
        typer.echo(f"The UI is at {served.url} while this goes on, as soon as it has loaded. It logs to {log}.")
        yield settings
    typer.echo(f"To look at it again: ML_PLATFORM_HOME={settings.home} make dev")
