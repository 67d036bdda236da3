"""Tables measured at ten years of days, on local files and on S3: `make bench-storage`.

Everything happens in a fresh folder that is removed afterwards, on an S3 server that is started for it.
"""

import argparse
import multiprocessing
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from benchmarks.storage_operations import (
    DAYS_OF_A_YEAR,
    ROWS_A_DAY,
    TIMES_AS_MANY,
    Cost,
    days_of,
    measure_again,
    measure_at_size,
    measure_large,
    publish,
    rows_of,
    warm_up,
    write_alone,
)
from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore

Place = Literal["local files", "S3"]
PLACES: tuple[Place, ...] = ("local files", "S3")
WRITERS = 8
DAYS_OF_A_LATER_COMMIT = 28


class Plan(NamedTuple):
    """How much is measured: sizes of the table in days, calls of each operation, and commits of each writer."""

    sizes: tuple[int, ...] = (10, 100, 365, 3652)
    times: int = 9
    commits_each: int = 25


QUICK = Plan(sizes=(10, 100), times=3, commits_each=5)


class Measured(BaseModel):
    """One operation at one size, in seconds and bytes."""

    model_config = ConfigDict(frozen=True)

    place: Place = Field(description="Where the tables are.")
    operation: str = Field(description="What was done.")
    partitions: int = Field(description="Partitions of the table.")
    versions: int = Field(description="Versions of the table before it.")
    wall_seconds: float = Field(description="Median over the calls.")
    cpu_seconds: float = Field(description="Mean over the calls, of the client alone.")
    peak_bytes: int = Field(description="Most memory that a call held beyond what its process held before.")


class Contended(BaseModel):
    """Writers of one table at once, each in a process of its own."""

    model_config = ConfigDict(frozen=True)

    place: Place = Field(description="Where the table is.")
    turns: bool = Field(description="Whether the writers are on one machine, where they take turns.")
    commits: int = Field(description="Commits asked for, one partition each.")
    landed: int = Field(description="Partitions in the table at the end.")
    conflicts: int = Field(description="Attempts that lost to another writer and were made again.")
    wall_seconds: float = Field(description="From the first to the last commit.")
    slowest_seconds: float = Field(description="The commit that waited longest.")


class Report(BaseModel):
    """One run of this benchmark."""

    model_config = ConfigDict(frozen=True)

    started_at: datetime = Field(description="Instant (UTC).")
    cores: int = Field(description="Processor cores of the machine.")
    load_average: float = Field(description="Of the last minute, when it began; above 0 something else was running.")
    measured: tuple[Measured, ...] = Field(description="One for each place, size and operation.")
    contended: tuple[Contended, ...] = Field(description="Writers at once.")


def main(arguments: Sequence[str]) -> int:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storage", description="What tables cost as they grow.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE as well")
    parser.add_argument("--quick", action="store_true", help="small tables, to see that it works")
    chosen = parser.parse_args(arguments)
    plan = QUICK if chosen.quick else Plan()
    report = run(plan)
    if chosen.json:
        chosen.json.write_text(report.model_dump_json(indent=1))
    print(told(report))
    return 0 if all(each.landed == each.commits for each in report.contended) else 1


def run(plan: Plan) -> Report:
    """Everything, in both places."""
    started_at, load = datetime.now(UTC), os.getloadavg()[0]
    measured, contended = list[Measured](), list[Contended]()
    with tempfile.TemporaryDirectory(prefix="ml-platform-bench-") as folder:
        for place in PLACES:
            with _settings(place, Path(folder) / place.replace(" ", "-")) as settings:
                measured += _at_every_size(settings, place, plan)
                contended += [_contend(settings, place, plan.commits_each, turns=turns) for turns in (True, False)]
    return Report(
        started_at=started_at,
        cores=os.cpu_count() or 1,
        load_average=load,
        measured=tuple(measured),
        contended=tuple(contended),
    )


@contextmanager
def _settings(place: Place, folder: Path) -> Iterator[Settings]:
    folder.mkdir(parents=True)
    if place == "local files":
        yield Settings(home=folder, data_uri=f"file://{folder}/tables")
        return
    from ml_platform.local_servers.object_server import Identity, object_server  # not for the measured processes

    writer = Identity("bench", "bench", secrets.token_hex(16), ("Read:lake", "Write:lake", "List:lake"))
    with object_server(folder / "server", [writer]) as server:
        yield Settings(
            home=folder,
            data_uri=f"s3://{server.bucket}/tables",
            s3_endpoint_url=server.endpoint_url,
            s3_access_key_id=SecretStr(writer.access_key_id),
            s3_secret_access_key=SecretStr(writer.secret_access_key),
        )


def _at_every_size(settings: Settings, place: Place, plan: Plan) -> Iterator[Measured]:
    """The table grows day by day for a year and by 28 days a commit from then on; measured in a new process each."""
    store, grown = TableStore.from_settings(settings), 0
    for size in plan.sizes:
        _say(f"{place}: {size} days")
        while grown < size:
            step = 1 if grown < DAYS_OF_A_YEAR else min(DAYS_OF_A_LATER_COMMIT, size - grown)
            days = days_of(grown, step)
            publish(store, rows_of(days), days)
            grown += step
        costs = _in_a_process(measure_at_size, settings, size, plan.times)
        if size >= DAYS_OF_A_YEAR:
            costs |= _in_a_process(measure_again, settings, size, 2)
        yield from _named(place, costs, size, store.version("bench/days") or 0)
    _say(f"{place}: {TIMES_AS_MANY} times the rows")
    yield from _named(place, _in_a_process(measure_large, settings, plan.times), 0, 0)


def _in_a_process(measure: Callable[..., dict[str, Cost]], *arguments: object) -> dict[str, Cost]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(measure, *arguments).result()


def _named(place: Place, costs: Mapping[str, Cost], partitions: int, versions: int) -> Iterator[Measured]:
    for operation, cost in costs.items():
        yield Measured(place=place, operation=operation, partitions=partitions, versions=versions, **cost._asdict())


def _contend(settings: Settings, place: Place, commits_each: int, *, turns: bool) -> Contended:
    _say(f"{place}: {WRITERS} writers {'of one machine' if turns else 'of as many machines'}")
    folder = "together" if turns else "apart"
    elsewhere = settings.model_copy(update={"data_uri": f"{settings.data_uri}/{folder}"})
    shares = [days_of(writer * commits_each, commits_each) for writer in range(WRITERS)]
    with ProcessPoolExecutor(WRITERS, mp_context=multiprocessing.get_context("spawn")) as writers:
        list(writers.map(warm_up, [elsewhere] * WRITERS, range(WRITERS)))
        started = time.perf_counter()
        done = list(writers.map(write_alone, [elsewhere] * WRITERS, shares, [not turns] * WRITERS))
        seconds = time.perf_counter() - started
    return Contended(
        place=place,
        turns=turns,
        commits=WRITERS * commits_each,
        landed=len(TableStore.from_settings(elsewhere).partitions("bench/writers")),
        conflicts=sum(attempts - 1 for each in done for attempts, _ in each),
        wall_seconds=seconds,
        slowest_seconds=max(slow for each in done for _, slow in each),
    )


def told(report: Report) -> str:
    """The report as Markdown."""
    sizes = sorted({each.partitions for each in report.measured if each.partitions})
    head = f"| {' | '.join(['', *(f'{size:,} days' for size in sizes)])} |\n|{' --- |' * (len(sizes) + 1)}"
    lines = [
        f"{report.started_at:%Y-%m-%d %H:%M} UTC, {report.cores} cores, load {report.load_average:.1f}. "
        f"A day has {ROWS_A_DAY:,} rows of 11 columns, a large day {ROWS_A_DAY * TIMES_AS_MANY:,}. Each cell: median "
        "wall time, CPU time of the client, and the memory it took at most.",
    ]
    for place in PLACES:
        here = [each for each in report.measured if each.place == place]
        operations = list(dict.fromkeys(each.operation for each in here if each.partitions))
        versions = {each.partitions: each.versions for each in here}
        lines += ["", f"**{place[0].upper()}{place[1:]}**, table of", "", head]
        lines.append(f"| versions | {' | '.join(f'{versions[size]:,}' for size in sizes)} |")
        for operation in operations:
            cells = {each.partitions: _cell(each) for each in here if each.operation == operation}
            lines.append(f"| {operation} | {' | '.join(cells.get(size, '') for size in sizes)} |")
    return "\n".join([*lines, "", *_told_large(report), "", *_told_contended(report)])


def _told_large(report: Report) -> list[str]:
    rows: dict[str, dict[str, str]] = {}
    for each in report.measured:
        if not each.partitions:
            rows.setdefault(each.operation, {})[each.place] = _cell(each)
    head = ["| | local files | S3 |", "| --- | --- | --- |"]
    return [*head, *(f"| {name} | {' | '.join(row[place] for place in PLACES)} |" for name, row in rows.items())]


def _told_contended(report: Report) -> list[str]:
    head = ["| writers at once | commits | landed | conflicts | seconds | slowest commit |", f"|{' --- |' * 6}"]
    rows = [
        f"| {WRITERS} on {'one machine' if each.turns else 'as many machines'}, {each.place} | {each.commits} "
        f"| {each.landed} | {each.conflicts} | {each.wall_seconds:.1f} | {each.slowest_seconds:.2f} s |"
        for each in report.contended
    ]
    return [*head, *rows]


def _cell(each: Measured) -> str:
    wall, processor, megabytes = 1000 * each.wall_seconds, 1000 * each.cpu_seconds, each.peak_bytes / 1e6
    return f"{wall:,.0f} ms, CPU {processor:,.0f} ms, {megabytes:,.0f} MB"


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
