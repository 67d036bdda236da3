"""What was tried, as a table: operations by faults, and every point that is torn.

Belongs here: the report, and `python -m ml_platform_tests.faults.report`. Does not: the trying (`crash_points`).
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from ml_platform.local_servers.object_server import object_server
from ml_platform_tests.faults.crash_points import FILE_FAULTS, AnyFault, Tried, explore, explorer
from ml_platform_tests.faults.operations import OPERATIONS
from ml_platform_tests.faults.proxy import FAULTS, WHAT_HAPPENS
from ml_platform_tests.places import BUCKET, WRITER

LEGEND = "`a + b`: at `a` points the operation survived, at `b` it failed with nothing half done; all were done again."
ALL: dict[AnyFault, str] = {
    **WHAT_HAPPENS,
    "killed": "SIGKILL just before a change of a local file: opening a new one, a write, a rename, a link, a removal",
    "disk_full": "no space is left from that change on; the second attempt has space again",
}


def table(tried: Sequence[Tried]) -> str:
    """Markdown: for each operation and fault, the points survived, and those failed with nothing half done."""
    faults = [fault for fault in (*FAULTS, *FILE_FAULTS) if any(each.fault == fault for each in tried)]
    operations = list(dict.fromkeys(each.operation for each in tried))
    rows = [
        [
            "operation",
            "points" if not set(faults).isdisjoint(FILE_FAULTS) else "requests",
            *(_words(fault) for fault in faults),
            "torn",
        ]
    ]
    for operation in operations:
        mine = [each for each in tried if each.operation == operation]
        cells = [_cell([each for each in mine if each.fault == fault]) for fault in faults]
        rows.append([operation, str(max(each.at for each in mine)), *cells, str(_count(mine, "torn"))])
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])


def summary(tried: Sequence[Tried]) -> str:
    """One line: the points tried, and what became of them."""
    counts = {verdict: _count(tried, verdict) for verdict in ("survived", "failed", "missed", "torn")}
    return (
        f"{len(tried)} crash points: {counts['survived']} survived, {counts['failed']} failed with nothing half done, "
        f"{counts['torn']} torn"
        + (f", {counts['missed']} not reached" if counts["missed"] else "")
        + f"; the longest took {max((each.seconds for each in tried), default=0):.0f} seconds"
    )


def torn(tried: Sequence[Tried]) -> list[str]:
    """Each torn point in a line."""
    return [
        f"{each.operation}, {each.fault} at request {each.at} ({each.request}): {each.problem}"
        for each in tried
        if each.verdict == "torn"
    ]


def _cell(tried: Sequence[Tried]) -> str:
    survived, failed = _count(tried, "survived"), _count(tried, "failed")
    return " + ".join([str(survived), *([str(failed)] if failed else [])]) if tried else ""


def _words(fault: str) -> str:
    return fault.replace("_", " ")


def _count(tried: Sequence[Tried], verdict: str) -> int:
    return sum(each.verdict == verdict for each in tried)


async def _explore_all(operations: Sequence[str], faults: Sequence[AnyFault], every: int) -> list[Tried]:
    """On the server if the faults are those of requests, on local files if they are those of files."""
    tried: list[Tried] = []
    with tempfile.TemporaryDirectory(prefix="crash-points-") as name, ExitStack() as stack:
        folder = Path(name)
        on_files = set(faults) <= set(FILE_FAULTS)
        server = None if on_files else stack.enter_context(object_server(folder / "server", [WRITER], bucket=BUCKET))
        async with explorer(server, folder, operations) as at_work:
            for operation in operations:
                found = await explore(at_work, operation, faults, every)
                _say(sys.stderr, f"{operation}: {summary(found)}", *torn(found))
                tried += found
    return tried


def _say(stream: TextIO, *lines: str) -> None:
    stream.write("".join(f"{line}\n" for line in lines))
    stream.flush()


def main() -> int:
    """Try the points that were asked for, print the table, and fail if any is torn."""
    parser = argparse.ArgumentParser(description="Interrupt every operation of the platform at every request to S3.")
    parser.add_argument("--operation", action="append", choices=list(OPERATIONS), help="only this one; may be repeated")
    parser.add_argument("--fault", action="append", choices=list(ALL), help="only this one; may be repeated")
    parser.add_argument("--every", type=int, default=1, help="only each so-many-th request, and the last")
    parser.add_argument("--json", type=Path, help="write every point to this file")
    asked = parser.parse_args()
    operations, wanted = asked.operation or list(OPERATIONS), asked.fault or list(ALL)
    tried: list[Tried] = []
    for faults in ([fault for fault in wanted if fault in FAULTS], [fault for fault in wanted if fault in FILE_FAULTS]):
        found = asyncio.run(_explore_all(operations, faults, asked.every)) if faults else []
        _say(sys.stdout, *([table(found), "", *(f"- {_words(f)}: {ALL[f]}" for f in faults), ""] if found else []))
        tried += found
    _say(sys.stdout, LEGEND, "", summary(tried), *torn(tried))
    if asked.json:
        asked.json.write_text(json.dumps([each._asdict() for each in tried], indent=1))
    _say(sys.stderr, f"{sum(os.times()[:4]):.0f} CPU seconds")
    return 1 if torn(tried) else 0


if __name__ == "__main__":
    sys.exit(main())
