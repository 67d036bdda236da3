"""The online service, the least that serves, and `mlflow models serve`: one model, one load, `make bench-serve`.

It needs a home with a champion, such as `make demo` leaves, and changes nothing in it: the service runs on a copy of
its tables.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import polars as pl
import psutil

from benchmarks.serving_load import Measured, Target, at_rate, closed
from ml_platform.local_servers.ports import free_ports
from ml_platform.online.declared import online_model
from ml_platform.online.requests import RowRequests
from ml_platform.serving.promotion import recorded_promotions
from ml_platform.serving.rungs import path_of
from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore
from ml_platform.terminal import console, table
from ml_platform.tracking.flavor import written
from ml_platform.tracking.models import TabularModel, loads

NAME = "flights_delay"
SIZES = (1, 10, 1000)
CLIENTS, SECONDS = 4, 4.0
ROUNDS, ROUND_SECONDS = 10, 1.5
"""One row is measured in turns, as fast as answers come and at half of what came just before: on a shared machine the
speed of a core changes within seconds.
"""
AS_FAST = f"{CLIENTS} clients"
BIN = Path(sys.executable).parent


class Given(NamedTuple):
    """The champion with its bytes, and the newest rows, as the use case has them and as features."""

    model: TabularModel
    path: Path
    data: bytes
    rows: pl.DataFrame
    features: pl.DataFrame


class Line(NamedTuple):
    """One server under one load, measured in one round or several."""

    server: str
    rows: int
    load: str
    rounds: Sequence[Measured]
    memory_mb: float

    @property
    def middle(self) -> Measured:
        """The median of each number; of those that failed, all."""
        per_second, p50, p99, _ = (median(values) for values in zip(*self.rounds, strict=True))
        return Measured(per_second, p50, p99, sum(each.failed for each in self.rounds))

    @property
    def p99(self) -> str:
        """The median, and from where to where it was."""
        found = sorted(each.p99 for each in self.rounds)
        return f"{self.middle.p99:.1f}" + (f" ({found[0]:.1f} to {found[-1]:.1f})" if len(found) > 1 else "")


def given(settings: Settings) -> Given:
    """What is in the home."""
    artifacts = ObjectStore(settings.artifact_uri)
    online, tables = online_model(NAME), TableStore.from_settings(settings)
    champion = recorded_promotions(artifacts, online.champions)[-1].champion
    if champion is None:
        raise SystemExit("There is no champion: run `make demo` first.")
    path = Path(artifacts.uri_of(path_of(champion, artifacts)).removeprefix("file://"))
    model = loads(path.read_bytes(), champion.sha256)
    day = pl.col("service_date") > pl.col("service_date").max() - pl.duration(days=2)
    columns = RowRequests(online.rows.contract, online.row).columns
    rows = tables.scan(online.rows.table).filter(day).select(columns).head(max(SIZES)).collect()
    features = tables.scan("flights/delay_features").filter(day).select(model.features).head(max(SIZES)).collect()
    return Given(model, path, path.read_bytes(), rows, features)


@contextmanager
def running(command: Sequence[str], port: int, environment: Mapping[str, str], ready: str) -> Iterator[psutil.Process]:
    """A server process, ready; its group is ended afterwards."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_ready(port, ready)
        yield psutil.Process(process.pid)
    finally:
        whole = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for each in whole:
            each.terminate()
        psutil.wait_procs(whole, timeout=30)


def wait_until_ready(port: int, path: str) -> None:
    """Wait for a 200."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n".encode())
                if b" 200 " in connection.recv(64):
                    return
        except OSError:
            pass
        time.sleep(0.3)
    raise SystemExit(f"Nothing answers on port {port}.")


def measure(server: str, process: psutil.Process, targets: Mapping[int, Target]) -> Iterator[Line]:
    """Each size as fast as answers come, and one row at half of what was reached as well."""
    for rows, target in targets.items():
        closed(target, clients=1, seconds=1.0)
        if rows > 1:
            yield Line(server, rows, AS_FAST, [closed(target, clients=CLIENTS, seconds=SECONDS)], memory(process))
            continue
        fast, half = [], []
        for _ in range(ROUNDS):
            fast.append(closed(target, clients=CLIENTS, seconds=ROUND_SECONDS))
            rate = fast[-1].per_second / 2
            half.append(at_rate(target, per_second=rate, clients=CLIENTS * 4, seconds=ROUND_SECONDS))
        yield Line(server, rows, AS_FAST, fast, memory(process))
        yield Line(server, rows, "half of that", half, memory(process))


def memory(process: psutil.Process) -> float:
    """Resident memory of a process and its children, MB."""
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / 1e6


def as_request(rows: pl.DataFrame) -> bytes:
    """Rows of the use case."""
    return json.dumps({"rows": rows.to_dicts()}, default=lambda value: value.isoformat()).encode()


def as_invocation(features: pl.DataFrame) -> bytes:
    """Rows of features by MLflow's protocol."""
    data = [list(row) for row in features.iter_rows()]
    return json.dumps({"dataframe_split": {"columns": features.columns, "data": data}}).encode()


def lines(found: Given, settings: Settings, work: Path) -> Iterator[Line]:
    """Every server in turn, alone on the machine."""
    ports = free_ports(3)
    invocations = {size: as_invocation(found.features.head(size)) for size in SIZES}
    requests = {size: as_request(found.rows.head(size)) for size in SIZES}
    copy = {
        "ML_PLATFORM_HOME": str(work),
        "ML_PLATFORM_DATA_URI": f"file://{work}/lake",
        "ML_PLATFORM_SERVE_LOG_SECONDS": "5",
    }
    copy |= {"ML_PLATFORM_ARTIFACT_URI": settings.artifact_uri}
    with running(
        [str(BIN / "ml-platform"), "serve", NAME, "--port", str(ports[0])], ports[0], copy, "/ready"
    ) as server:
        scored = {size: Target(ports[0], "/invocations", body) for size, body in invocations.items()}
        yield from measure("the service, features given", server, scored)
        predicted = {size: Target(ports[0], "/predict", body) for size, body in requests.items()}
        yield from measure("the service, features made", server, predicted)
    uvicorn = [str(BIN / "uvicorn"), "benchmarks.serving_bare:app", "--port", str(ports[1]), "--no-access-log"]
    with running(uvicorn, ports[1], {"BENCH_MODEL": str(found.path)}, "/openapi.json") as server:
        bare = {size: Target(ports[1], "/invocations", body) for size, body in invocations.items()}
        yield from measure("FastAPI + scikit-learn", server, bare)
    with written(found.model, found.data, "0" * 32) as folder:
        command = [str(BIN / "mlflow"), "models", "serve", "-m", str(folder), "--env-manager", "local"]
        path = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        with running([*command, "--port", str(ports[2])], ports[2], path, "/ping") as server:
            stock = {size: Target(ports[2], "/invocations", body) for size, body in invocations.items()}
            yield from measure("mlflow models serve", server, stock)


def main() -> None:
    """Measure and show."""
    settings = Settings()
    found = given(settings)
    with tempfile.TemporaryDirectory(prefix="ml-platform-") as folder:
        work, lake = Path(folder), Path(settings.data_uri.removeprefix("file://"))
        for name in ("clean", "weather_clean"):
            shutil.copytree(lake / "flights" / name, work / "lake" / "flights" / name)
        measured = []
        for line in lines(found, settings, work):
            print(f"{line.server}, {line.rows} rows, {line.load}: {line.middle.p50:.1f} ms", file=sys.stderr)
            measured.append(line)
    load = os.getloadavg()[0]
    rows = [
        (
            each.server,
            str(each.rows),
            each.load,
            f"{each.middle.per_second:,.0f}",
            f"{each.middle.p50:.1f}",
            each.p99,
            str(each.middle.failed),
            f"{each.memory_mb:,.0f}",
        )
        for each in measured
    ]
    title = f"{os.cpu_count()} cores, which the load generator shares; load average at the end {load:.1f}"
    console().print(table(title, ("server", "rows", "load", "answers/s", "p50 ms", "p99 ms", "failed", "MB"), rows))


if __name__ == "__main__":
    main()
