"""A platform of real processes for one drill: a daemon with code servers, on a home of its own.

Belongs here: starting it, giving it work, finding and killing its processes, and reading what it did. Does not: what is
expected of it (the drills).
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import psutil
import yaml
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, PartitionBackfill
from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG
from dagster._core.utils import make_new_backfill_id

from ml_platform.execution.launch import CodeLocation, PartitionRange, RunRequest, queue_job
from ml_platform.execution.launcher import worker_process
from ml_platform.operations.run_alerts import RunAlerts
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.tables import TableStore
from ml_platform_tests.drills.fuses import Fault, burnt, fuse, lay
from ml_platform_tests.drills.toy_location import TOY

T = TypeVar("T")
PATIENCE_SECONDS = 900.0
BRISK = {
    "run_monitoring": {"poll_interval_seconds": 1, "free_slots_after_run_end_seconds": 2, "start_timeout_seconds": 300},
}
"""What drills shorten of dagster.yaml, so that they are short; what the repository's own gives is told beside."""


class Platform:
    """The processes, from outside; `started` counts the daemons that were started."""

    def __init__(self, folder: Path, locations: Sequence[CodeLocation], environment: Mapping[str, str]) -> None:
        self.folder, self.home = folder, folder / "home"
        self.environment = {**os.environ, **environment, **_places(folder)}
        self.log = folder / "daemon.log"
        self.daemon: subprocess.Popen[bytes] | None = None
        self.settings = Settings()
        self.instance = dg.DagsterInstance.get()
        self._workspace = folder / "workspace.yaml"
        modules = [{"module_name": each.module, "location_name": each.name} for each in locations]
        self._workspace.write_text(yaml.safe_dump({"load_from": [{"python_module": each} for each in modules]}))

    @property
    def tables(self) -> TableStore:
        return StorageLocation.of(self.settings).tables()

    # -- processes

    def start(self) -> None:
        """A daemon, which starts the code servers itself; returns once it has loaded the locations."""
        before = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-W", "ignore", "-m", "dagster._daemon", "run", "-w", str(self._workspace)]
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        until("the daemon has its code servers", lambda: b"daemons:" in self.log.read_bytes()[before:])
        assert b"Error while importing code" not in self.log.read_bytes()[before:], f"see {self.log}"

    def processes(self) -> list[psutil.Process]:
        """Every process of this platform, found by its home, whoever started it and whoever is its parent now."""
        return [each for each in psutil.process_iter() if _belongs(each, str(self.home))]

    def code_servers(self) -> list[int]:
        """Process ids of the code servers."""
        return [each.pid for each in self.processes() if {"api", "grpc"} <= {*each.cmdline()}]

    def worker(self, run_id: str) -> int:
        """Process id of the run's worker, as soon as it has one."""
        return until(f"run {run_id} has a worker", lambda: worker_process(self.run(run_id)) or 0)

    def kill(self, *process_ids: int) -> float:
        """Kill these processes with SIGKILL; the instant (monotonic seconds) after it."""
        for process_id in process_ids:
            os.kill(process_id, signal.SIGKILL)
        return time.monotonic()

    def kill_daemon(self) -> float:
        """Kill the daemon alone."""
        assert self.daemon is not None
        now = self.kill(self.daemon.pid)
        self.daemon.wait()
        return now

    def kill_everything(self) -> float:
        """Kill every process at once, as when the machine loses power."""
        found = self.processes()
        for do in (psutil.Process.suspend, psutil.Process.kill):  # suspended, nobody reacts to the death of another
            for each in found:
                with suppress(psutil.NoSuchProcess):
                    do(each)
        if self.daemon:
            self.daemon.wait()
        return time.monotonic()

    # -- work

    def queue(self, job: str, partitions: str | PartitionRange | None = None, **tags: str) -> str:
        """Id of a new run of the toy location, queued for the daemon."""
        request = RunRequest(TOY, job, partitions=partitions, tags={k.replace("__", "/"): v for k, v in tags.items()})
        return queue_job(self.instance, request).run_id

    def backfill(self, assets: Sequence[str], partitions: Sequence[str]) -> str:
        """Id of a new backfill of these tables, as the UI would ask for it."""
        from ml_platform_tests.drills.toy_location import defs

        backfill = PartitionBackfill.from_asset_partitions(
            backfill_id=make_new_backfill_id(),
            asset_graph=defs.resolve_asset_graph(),
            partition_names=list(partitions),
            asset_selection=[dg.AssetKey(name.split("/")) for name in assets],
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=self.instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
        self.instance.add_backfill(backfill)
        return backfill.backfill_id

    def relaunch(self, backfill_id: str) -> str:
        """Id of a new backfill of what that one did not make, as *Re-execute from failure* in the UI asks for it."""
        from ml_platform_tests.drills.toy_location import defs

        backfill = self.instance.get_backfill(backfill_id)
        assert backfill is not None, f"backfill {backfill_id} is not in the history"
        data = backfill.get_asset_backfill_data(defs.resolve_asset_graph())
        again = PartitionBackfill.from_asset_graph_subset(
            backfill_id=make_new_backfill_id(),
            asset_graph_subset=data.target_subset - data.materialized_subset,
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=self.instance,
            title=None,
            description=None,
            run_config=None,
        )
        self.instance.add_backfill(again)
        return again.backfill_id

    def runs_of_backfill(self, backfill_id: str) -> Sequence[DagsterRun]:
        """Its runs."""
        return self.instance.get_runs(RunsFilter(tags={"dagster/backfill": backfill_id}))

    def is_backfill_over(self, backfill_id: str) -> bool:
        """Whether nothing more will become of it."""
        backfill = self.instance.get_backfill(backfill_id)
        return backfill is not None and backfill.status in BULK_ACTION_TERMINAL_STATUSES

    def run(self, run_id: str) -> DagsterRun:
        """The run as it stands."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None, f"run {run_id} is not in the history"
        return run

    def runs_of(self, run_id: str) -> list[DagsterRun]:
        """The run and its retries, the first one first."""
        root = self.run(run_id).root_run_id or run_id
        retries = self.instance.get_runs(RunsFilter(tags={"dagster/root_run_id": root}), ascending=True)
        return [self.run(root), *retries]

    def until_started(self, run_id: str) -> None:
        """Return once a step of the run has begun."""
        until(f"run {run_id} works", lambda: bool(self.steps(run_id)) or self.run(run_id).is_finished)

    def until_over(self, run_id: str, seconds: float = PATIENCE_SECONDS) -> list[DagsterRun]:
        """The run and its retries, once nothing more will become of them."""

        def over() -> list[DagsterRun]:
            runs = self.runs_of(run_id)
            return runs if is_over(runs[-1]) else []

        return until(f"run {run_id} and its retries are over", over, seconds)

    def steps(self, run_id: str) -> list[str]:
        """Steps that the run began, in order, each as often as it was begun."""
        entries = self.instance.all_logs(run_id)
        begun = [e.dagster_event for e in entries if e.dagster_event and (e.dagster_event.is_step_start)]
        again = [e.dagster_event for e in entries if e.dagster_event and (e.dagster_event.is_step_restarted)]
        return [str(event.step_key) for event in (*begun, *again)]

    def attempts(self, runs: Sequence[DagsterRun]) -> int:
        """How many runs there were, or how often the step that was begun most often was begun."""
        steps = Counter(step for run in runs for step in self.steps(run.run_id))
        return max([len(runs), *steps.values()])

    def told(self, run_id: str) -> str:
        """Every message of the run's log, a line each."""
        return "\n".join(entry.message for entry in self.instance.all_logs(run_id))

    def alerts(self) -> str:
        """What the alert sensors' code makes of the runs so far, in words."""
        looked = RunAlerts(self.instance, AlertCenter(self.settings), self.settings).look(0)
        return f"{looked.raised} raised, {looked.mended} ended" if looked.raised else "none"

    def lay(self, point: str, fault: Fault, times: int = 1) -> Path:
        """Lay a fuse; the file that appears when it burns."""
        path = fuse(self.home, point)
        lay(path, fault, times)
        return burnt(path)


@contextmanager
def platform(
    folder: Path,
    *,
    locations: Sequence[CodeLocation] = (TOY,),
    environment: Mapping[str, str] | None = None,
    brisk: bool = True,
    start: bool = True,
) -> Iterator[Platform]:
    """A platform in `folder`, gone with all of its processes at the end of the block.

    `environment` adds settings (ML_PLATFORM_...) for its processes and for this one; `brisk` shortens what the daemon
    waits for; `start=False` leaves starting the daemon to the drill.
    """
    config = yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text())
    for section, changes in (BRISK if brisk else {}).items():
        config[section] = {**config.get(section, {}), **changes}
    (folder / "dagster").mkdir(parents=True, exist_ok=True)
    (folder / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(config))
    with in_environment({**(environment or {}), **_places(folder)}):
        made = Platform(folder, locations, environment or {})
        try:
            if start:
                made.start()
            yield made
        finally:
            made.kill_everything()
            made.instance.dispose()


def until(what: str, ask: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """The first answer that is true.

    Raises:
        TimeoutError: none within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        if answer := ask():
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s until {what}")
        time.sleep(0.05)


def is_over(run: DagsterRun) -> bool:
    """Whether nothing more becomes of the run: it has ended, and no retry of it is to come."""
    if run.status is not DagsterRunStatus.FAILURE:
        return run.is_finished
    return run.tags.get(WILL_RETRY_TAG) == "false" and AUTO_RETRY_RUN_ID_TAG not in run.tags


def _places(folder: Path) -> dict[str, str]:
    places = {"ML_PLATFORM_HOME": folder / "home", "DAGSTER_HOME": folder / "dagster"}
    return {
        **{name: str(path) for name, path in places.items()},
        "PYTHONPATH": str(PROJECT_ROOT),
        "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1",
    }


@contextmanager
def in_environment(values: Mapping[str, str]) -> Iterator[None]:
    """A block in which this process is told what those of the platform are."""
    before: dict[str, Any] = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _belongs(process: psutil.Process, home: str) -> bool:
    try:
        mine = process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
        return mine and process.environ().get("ML_PLATFORM_HOME") == home
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
