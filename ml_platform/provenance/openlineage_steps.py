"""What each step of a run did, read once from its events: what it published, which checks it executed, how it ended.

Belongs here: reading Dagster's history. Does not: the form in which it is told (`openlineage`).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import dagster as dg
from dagster import DagsterInstance
from dagster._core.events import DagsterEvent, DagsterEventType

from ml_platform.errors import UnknownAssetError
from ml_platform.execution.run_log import events_of
from ml_platform.provenance.trace import Check
from ml_platform.provenance.trace_history import Made, check_of, made_of

Outcome = Literal["complete", "fail", "abort", "running"]
_TOLD = {
    DagsterEventType.STEP_START,
    DagsterEventType.STEP_SUCCESS,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
}
_OUTCOMES: dict[dg.DagsterRunStatus, Outcome] = {
    dg.DagsterRunStatus.SUCCESS: "complete",
    dg.DagsterRunStatus.FAILURE: "fail",
    dg.DagsterRunStatus.CANCELED: "abort",
}


@dataclass
class StepStory:
    """One step."""

    key: str
    started_at: dt.datetime
    ended_at: dt.datetime | None = None
    outcome: Outcome = "running"
    error: str = ""
    stack: str = ""
    made: dict[str, list[Made]] = field(default_factory=dict)  # by asset
    checks: dict[str, list[Check]] = field(default_factory=dict)  # by asset


@dataclass
class RunStory:
    """One run and its steps, in the order in which they started."""

    run: dg.DagsterRun
    started_at: dt.datetime
    ended_at: dt.datetime | None
    outcome: Outcome
    steps: list[StepStory]

    @property
    def error(self) -> str:
        """The first failed step's error; empty if none failed."""
        return next((step.error for step in self.steps if step.error), "")


def runs_to_tell(instance: DagsterInstance, run_ids: Sequence[str], since: dt.datetime | None) -> list[dg.RunRecord]:
    """The runs asked for, oldest first; those of `since` (UTC) are all that ended by then or later.

    Raises:
        UnknownAssetError: there is no such run, or nothing was asked for.
    """
    if not run_ids and since is None:
        raise UnknownAssetError("Which runs?", expected="run ids, or --since", got="neither")
    found = list(instance.get_run_records(dg.RunsFilter(run_ids=list(run_ids)))) if run_ids else []
    if missing := sorted(set(run_ids) - {record.dagster_run.run_id for record in found}):
        raise UnknownAssetError(
            f"Dagster's history has no run {', '.join(missing)}.",
            remedy="Look for the whole id in the UI, under Runs; a deleted run cannot be told of.",
        )
    if since is not None:
        instant = since.replace(tzinfo=dt.UTC)
        known = {record.dagster_run.run_id for record in found}
        later = instance.get_run_records(dg.RunsFilter(updated_after=instant, statuses=list(_OUTCOMES)))
        found += [
            each
            for each in later
            if (each.end_time or 0) >= instant.timestamp() and each.dagster_run.run_id not in known
        ]
    return sorted(found, key=lambda record: record.start_time or 0)


def story_of(record: dg.RunRecord, instance: DagsterInstance) -> RunStory:
    """The run, told from its events."""
    run = record.dagster_run
    outcome = _OUTCOMES.get(run.status, "running")
    created = record.create_timestamp.timestamp()
    steps: dict[str, StepStory] = {}
    for entry in events_of(instance, run.run_id, _TOLD):
        at = dt.datetime.fromtimestamp(entry.event_log_entry.timestamp, dt.UTC)
        event = entry.event_log_entry.dagster_event
        if event and event.step_key:
            _tell(steps.setdefault(event.step_key, StepStory(event.step_key, at)), event, entry, at)
    for step in steps.values():
        if step.outcome == "running" and outcome != "running":  # its process ended without a word
            step.outcome, step.ended_at = "abort", _instant(record.end_time or created)
    return RunStory(
        run=run,
        started_at=_instant(record.start_time or created),
        ended_at=None if record.end_time is None else _instant(record.end_time),
        outcome=outcome,
        steps=list(steps.values()),
    )


def _tell(step: StepStory, event: DagsterEvent, record: dg.EventLogRecord, at: dt.datetime) -> None:
    match event.event_type:
        case DagsterEventType.STEP_SUCCESS:
            step.outcome, step.ended_at = "complete", at
        case DagsterEventType.STEP_FAILURE:
            error = event.step_failure_data.error
            cause = error.cause or error if error else None
            step.outcome, step.ended_at = "fail", at
            step.error = cause.message.strip() if cause else "The step failed without an error."
            step.stack = "".join(cause.stack) if cause else ""
        case DagsterEventType.ASSET_MATERIALIZATION:
            made = made_of(record)
            step.made.setdefault(made.asset, []).append(made)
        case DagsterEventType.ASSET_CHECK_EVALUATION:
            asset, check = check_of(event.asset_check_evaluation_data)
            step.checks.setdefault(asset, []).append(check)
        case _:
            step.started_at = min(step.started_at, at)


def _instant(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
