"""How a replay is told: how long a day took from landing to each stage, and where that time went.

Belongs here: tables for people. Does not: the times (`watch`).
"""

from collections.abc import Sequence
from statistics import median

from rich.console import Console

from ml_platform.replay.watch import ReplayedDay, Stage, waits_and_work
from ml_platform.terminal import table


def show(days: Sequence[ReplayedDay], stages: Sequence[Stage], console: Console) -> None:
    """Print both tables; days that lack a stage are counted and left out."""
    whole = [day for day in days if len(day.stages) == len(stages)]
    if len(whole) < len(days):
        console.print(f"{len(days) - len(whole)} of {len(days)} days have no predictions: no model was due by then.")
    if not whole:
        return
    to_stage = {stage.name: [day.seconds_to(stage.name) or 0.0 for day in whole] for stage in stages}
    title = f"Seconds from landing, {len(whole)} days"
    columns = ("published", "median", "least", "most")
    console.print(table(title, columns, [(name, *_spread(seconds)) for name, seconds in to_stage.items()]))
    parts = [waits_and_work(day, stages) for day in whole]
    rows = [(name, *_spread([each[name] for each in parts])) for name in parts[0]]
    console.print(table("Where they went", ("", "median", "least", "most"), rows))


def _spread(seconds: Sequence[float]) -> tuple[str, str, str]:
    return f"{median(seconds):.1f}", f"{min(seconds):.1f}", f"{max(seconds):.1f}"
