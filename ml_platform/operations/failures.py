"""What failed in a run, as alerts: one for each step, of the assets that it did not make.

Belongs here: reading a failed run. Does not: whether it is the last try and what mends it (`run_alerts`).
"""

from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

import dagster as dg

from ml_platform.components.references import FILE_NAME, use_case_folders, use_cases_folder
from ml_platform.components.use_case import load_use_case
from ml_platform.errors import PlatformError
from ml_platform.execution.run_log import events_of
from ml_platform.operations.run_events import asset_events, pipeline_of, run_partition
from ml_platform.operations.served import served
from ml_platform.recovery.alerts.alert import Alert, Severity
from ml_platform.recovery.alerts.center import Affected
from ml_platform.recovery.attempts import FailedStep, failed_steps
from ml_platform.storage.tables import TableStore

MOST_TEXT = 2_500
JOB = "job "
_REMEDIES = {
    "transient": "What it needs did not answer. Re-execute it from the failure once that is back.",
    "throttled": "What it needs asks for fewer requests. Re-execute it from the failure later.",
    "resource": "Memory or disk ran out. Free some, or run fewer partitions at once; re-execute it from the failure.",
    "data": "Correct the data, and materialize it again.",
    "code": "Correct the code, and re-execute it from the failure.",
}


class Places(NamedTuple):
    """Where a failed run is looked at: the history, the tables, and the UI's address."""

    instance: dg.DagsterInstance
    tables: TableStore
    dagster_url: str


class Failure(NamedTuple):
    """One alert about a failed run, and what has to be made again before it ends."""

    alert: Alert
    affected: tuple[Affected, ...]


class _Step(NamedTuple):
    """A step that failed, and when; without a key it is the run as a whole."""

    failed: FailedStep
    event: int
    at: datetime

    @property
    def root(self) -> str:
        """The node of the job that the step belongs to: an asset, also where several steps make it."""
        return _root(self.failed.step_key)

    @property
    def error(self) -> str:
        """Name of the error's type."""
        return self.failed.error.rpartition(".")[2]


class NotMade(NamedTuple):
    """Partitions of one asset that the run planned and did not make, and the step that was to."""

    step: str
    partitions: list[str]


Left = dict[dg.AssetKey, NotMade]


def failures_of(places: Places, run: dg.DagsterRun, event: int, message: str, ended_at: datetime) -> list[Failure]:
    """The alerts of a failed run; `message` is what the run itself says, which counts where no step failed."""
    left, steps = not_made(places.instance, run.run_id), _failed_steps(places.instance, run.run_id)
    if not steps:
        lost = FailedStep("", "resource" if "crash" in message.lower() else "transient", "", 1, message)
        return [_failure(places, run, _Step(lost, event, ended_at), left)]
    groups: dict[tuple[str, str, str], _Step] = {}
    for step in steps:
        groups.setdefault((step.root, step.failed.error_class, step.error), step)
    return [
        _failure(places, run, step, {key: each for key, each in left.items() if _root(each.step) == root})
        for (root, _, _), step in groups.items()
    ]


def _failure(places: Places, run: dg.DagsterRun, step: _Step, left: Left) -> Failure:
    job, pipeline = f"{JOB}{run.job_name}", pipeline_of(run)
    main = next((key for key in left if "__".join(key.path) == step.root), next(iter(left), None))
    affected = [Affected(key.to_user_string(), part, step.event) for key, (_, parts) in left.items() for part in parts]
    use_case = main.path[0] if main else _use_case_in(run.job_name)
    return Failure(
        Alert(
            kind="run_failed",
            severity=severity_of(pipeline),
            use_case=use_case,
            pipeline=pipeline,
            subject=main.to_user_string() if main and step.root else job,
            what=_what(run, step.failed),
            since=step.at,
            served_meanwhile=served(places.instance, places.tables, main, left[main].partitions) if main else "",
            owners=owners_of(use_case),
            error_class=step.failed.error_class,
            error=step.error,
            run_id=run.run_id,
            run_url=f"{places.dagster_url}/runs/{run.run_id}",
            remedy="" if _is_ours(step.failed) else _REMEDIES.get(step.failed.error_class, ""),
        ),
        tuple(affected or [Affected(job, run_partition(run), step.event)]),
    )


def severity_of(pipeline: str) -> Severity:
    """What fails in serving is missed at once; elsewhere, what was published before goes on being served."""
    return "critical" if pipeline == "serving" else "error"


@cache
def owners_of(use_case: str) -> tuple[str, ...]:
    """Who owns the use case; nobody if there is none of that name."""
    folder = use_cases_folder() / use_case
    return tuple(load_use_case(folder).owners) if use_case and (folder / FILE_NAME).is_file() else ()


def _what(run: dg.DagsterRun, failed: FailedStep) -> str:
    """The platform's own errors are told in full; of others only the type, since their text may quote rows."""
    about = f" for {run_partition(run)}" if run_partition(run) else ""
    tries = f", tried {failed.attempts} times" if failed.attempts > 1 else ""
    if _is_ours(failed):
        _, _, text = failed.what.partition(": ")
    elif failed.step_key:
        kind = failed.error.rpartition(".")[2] or "an error"
        text = f"{kind} in step {failed.step_key}. Its text is in the run's log alone, since it may quote data."
    else:
        text = failed.what
    return f"{run.job_name}{about}{tries}: {text[:MOST_TEXT]}"


def _is_ours(failed: FailedStep) -> bool:
    return failed.what.startswith(f"{PlatformError.__module__}.")


def _failed_steps(instance: dg.DagsterInstance, run_id: str) -> list[_Step]:
    records = {
        record.event_log_entry.step_key: record
        for record in events_of(instance, run_id, dg.DagsterEventType.STEP_FAILURE)
    }
    return [
        _Step(each, records[each.step_key].storage_id, datetime.fromtimestamp(records[each.step_key].timestamp, UTC))
        for each in failed_steps(instance, run_id)
        if each.error_class != "cancelled"
    ]


def not_made(instance: dg.DagsterInstance, run_id: str) -> Left:
    """By asset, what a run planned and did not make."""
    made = {(key, part) for _, key, part in asset_events(instance, run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)}
    left: Left = {}
    for step, key, part in asset_events(instance, run_id, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED):
        if (key, part) not in made:
            left.setdefault(key, NotMade(step, [])).partitions.append(part)
    return left


def _root(step_key: str) -> str:
    return step_key.partition("[")[0].partition(".")[0]


def _use_case_in(job_name: str) -> str:
    """The use case that a job without assets is of, by its name."""
    names = (folder.name for folder in use_case_folders())
    return next((name for name in sorted(names, key=len, reverse=True) if f"_{name}" in f"_{job_name}"), "")
