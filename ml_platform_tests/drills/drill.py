"""What a drill is, and what it found."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class DrillResult(NamedTuple):
    """One row of the table in docs/recovery.md, as measured.

    `attempts` counts runs, or steps where the run goes on; `seconds_to_recovery` is from the fault to the success, None
    where nothing is to be recovered without a person; `lost` names what differs from an undisturbed run: nothing.
    """

    fault: str
    what_happened: str
    attempts: int
    seconds_to_recovery: float | None
    recomputed: str
    served: str
    alerts: str = "none"
    lost: str = ""


class Drill(NamedTuple):
    """One fault, really done to real processes in a home of its own, an empty folder that the drill is given.

    Or several, one after the other, where starting the processes takes longer than the faults.
    """

    name: str
    run: Callable[[Path], DrillResult | list[DrillResult]]
