"""All measurements in one run: `python -m benchmarks`, or `make bench`.

Everything happens in a fresh folder that is removed afterwards; the platform's own state is not touched.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.daemon import measure_daemon
from benchmarks.events import measure_events
from benchmarks.new_day import measure_new_day
from benchmarks.pipeline import measure_pipeline, measure_rerun, provide_downloads
from benchmarks.processes import adopt_orphans
from benchmarks.readings import Reading, Section, show
from benchmarks.scale import measure_scale
from benchmarks.steps import measure_steps
from benchmarks.use_cases import measure_use_cases
from benchmarks.workers import measure_workers
from ml_platform.demo.narrator import printing_into
from ml_platform.errors import PlatformError
from ml_platform.terminal import console


class Report(BaseModel):
    """One run of the benchmark."""

    model_config = ConfigDict(frozen=True)

    started_at: datetime = Field(description="Instant (UTC).")
    cores: int = Field(description="Processor cores of the machine.")
    sections: tuple[Section, ...] = Field(description="One for each measurement.")


class Measurement(NamedTuple):
    """A title and what gives its readings."""

    title: str
    measure: Callable[[], list[Reading]]


def measurements(work: Path, *, stock: bool) -> list[Measurement]:
    """In the order of what they need: the pipeline makes the home that the later ones work in."""
    return [
        Measurement("Isolated steps", lambda: measure_steps(work, stock=stock)),
        Measurement("Steps at a worker, by a broker", lambda: measure_workers(work)),
        Measurement("Events", lambda: measure_events(work, stock=stock)),
        Measurement("The pipeline against a plain script, from landing on", lambda: measure_pipeline(work)),
        Measurement("The demonstration again, nothing changed", lambda: measure_rerun(work)),
        Measurement("One more day", lambda: measure_new_day(work)),
        Measurement("Through the daemon", lambda: measure_daemon(work)),
        Measurement("Many runs and partitions", lambda: measure_scale(work)),
        Measurement("Many use cases", lambda: measure_use_cases(work)),
    ]


def measured(each: Measurement, log: Path) -> Section:
    """The measurement, made now; what libraries print goes to `log`."""
    load = os.getloadavg()[0]
    print(f"{datetime.now(UTC):%H:%M:%S} {each.title}", file=sys.stderr, flush=True)
    with printing_into(log):
        return Section(title=each.title, load_average=load, readings=tuple(each.measure()))


def run(work: Path, *, stock: bool) -> Iterator[Section]:
    """Every measurement, one after the other.

    Raises:
        CalledProcessError, TimeoutExpired, RuntimeError, PlatformError: one failed; its logs are in `work`.
    """
    adopt_orphans()
    provide_downloads(work)
    for each in measurements(work, stock=stock):
        yield measured(each, work / "output.log")


def main(arguments: Sequence[str]) -> int:
    """Measure and print; where one measurement fails, those before it are shown, and the logs are kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What the platform costs, measured.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the readings to FILE as well")
    parser.add_argument("--stock", action="store_true", help="measure Dagster's stock settings too: takes minutes")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that what was started is ended, too
    work, started_at = Path(tempfile.mkdtemp(prefix="ml-platform-bench-")), datetime.now(UTC)
    sections, failure = list[Section](), ""
    try:
        sections.extend(run(work, stock=chosen.stock))
    except (subprocess.SubprocessError, RuntimeError, PlatformError) as error:
        failure = f"{error}\n{getattr(error, 'output', None) or ''}\nThe logs are in {work}."
    else:
        shutil.rmtree(work)
    _tell(Report(started_at=started_at, cores=os.cpu_count() or 1, sections=tuple(sections)), chosen.json)
    print(failure, end="\n" if failure else "", file=sys.stderr)
    return 1 if failure else 0


def _tell(report: Report, file: Path | None) -> None:
    """Print the table, and write the same as JSON if a file is given."""
    if file:
        file.write_text(report.model_dump_json(indent=1))
    title = f"{report.started_at:%Y-%m-%d %H:%M} UTC, {report.cores} cores"
    show(report.sections, console(), title)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
