"""All drills, run one after the other, and what they found as the table of docs/recovery.md.

Belongs here: which modules have drills, and the report. Does not: the drills.
"""

import argparse
import fcntl
import importlib
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ml_platform_tests.drills.drill import Drill, DrillResult

MODULES = (
    "processes",
    "trainings",
    "scarcity",
    "sources",
    "alerts",
    "degraded",
    "champions",
    "many_days",
    "replays",
    "backfills",
    "servers",
)
"""Modules of this package that have a list `DRILLS`; their order is that of the table."""
HEAD = ("fault", "what happened", "attempts", "seconds to recovery", "recomputed", "served meanwhile", "alerts", "lost")


def drills() -> list[Drill]:
    """Every drill there is."""
    return [each for name in MODULES for each in importlib.import_module(f"ml_platform_tests.drills.{name}").DRILLS]


def table(results: Sequence[DrillResult]) -> str:
    """Markdown, a row for each drill."""
    rows = [_row(result) for result in results]
    return "\n".join("| " + " | ".join(row) + " |" for row in [HEAD, ["---"] * len(HEAD), *rows])


def _row(result: DrillResult) -> list[str]:
    seconds = result.seconds_to_recovery
    cells = result._replace(lost=f"**{result.lost}**" if result.lost else "nothing")
    shown = [str(value) for value in cells]
    shown[HEAD.index("seconds to recovery")] = "" if seconds is None else f"{seconds:.1f}"
    return [cell.replace("|", "\\|").replace("\n", " ") for cell in shown]


def _run(drill: Drill) -> list[DrillResult]:
    """What the drill found, a row or several; its folder stays if anything was lost.

    One at a time on a machine: it is about time.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"drill-{drill.name}-"))
    with (Path(tempfile.gettempdir()) / "ml_platform-drills.lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        started = time.monotonic()
        found = drill.run(folder)
    results = found if isinstance(found, list) else [found]
    for result in results:
        sys.stderr.write(f"{drill.name}, {time.monotonic() - started:.0f} s: {' | '.join(_row(result))}\n")
    if any(result.lost for result in results):
        sys.stderr.write(f"See {folder}\n")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return results


def main() -> int:
    """Run the drills that were asked for, print the table, and fail if anything was lost."""
    known = {drill.name: drill for drill in drills()}
    parser = argparse.ArgumentParser(description="Do each fault to a real platform of processes, and tell the outcome.")
    parser.add_argument("--only", action="append", choices=list(known), help="only this one; may be repeated")
    parser.add_argument("--json", type=Path, help="write the results to this file as well")
    asked = parser.parse_args()
    logging.disable(logging.INFO)
    results = [result for name in asked.only or known for result in _run(known[name])]
    sys.stdout.write(f"{table(results)}\n")
    if asked.json:
        asked.json.write_text(json.dumps([result._asdict() for result in results], indent=1))
    return 1 if any(result.lost for result in results) else 0
