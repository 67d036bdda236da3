"""States that should not last, as alerts: degraded or late tables, drift, broken use cases, what MLflow is not told.

Belongs here: what such an alert says. Does not: whether it is so (`health`), or raising it (`settling`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time

from ml_platform.components.drift_alarms import StandingAlarm
from ml_platform.components.sound import Broken
from ml_platform.errors import DefinitionError
from ml_platform.operations.failures import owners_of, severity_of
from ml_platform.operations.health import Finding
from ml_platform.operations.settling import Found
from ml_platform.recovery.alerts.alert import Alert
from ml_platform.recovery.alerts.center import Affected
from ml_platform.recovery.degradation import Degradation, Rung
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.tracking.journal import Waiting

_SERVED: dict[Rung, str] = {
    "cached": "What was published before, in its place.",
    "last_known": "Values of the last moment that is known.",
    "empty": "Nothing for these partitions; what follows from them goes without.",
    "last_known_good": "Answers of the last champion that was good.",
    "baseline": "Answers of the baseline, which knows only rates.",
    "inherited": "Results made from something that is degraded.",
}


def degraded_alerts(marks: Sequence[Degradation], dagster_url: str) -> list[Found]:
    """One warning for each table and rung; what only inherits is told with what it inherits from."""
    groups: dict[tuple[str, Rung], list[Degradation]] = defaultdict(list)
    for mark in marks:
        if mark.rung != "inherited":
            groups[mark.table, mark.rung].append(mark)
    return [_degraded(group, marks, dagster_url) for group in groups.values()]


def late_alerts(findings: Iterable[Finding], pipelines: dict[str, str]) -> list[Found]:
    """One alert for each table that is late; `pipelines` says the code location of those of serving."""
    return [_late(each, pipelines.get(each.asset, "data")) for each in findings if each.state == "late"]


def tracking_alerts(waiting: Sequence[Waiting]) -> list[Found]:
    """One warning if MLflow has still to be told of anything."""
    if not waiting:
        return []
    entries, oldest = sum(each.entries for each in waiting), min(waiting, key=lambda each: each.since)
    runs = f"{len(waiting):,} trainings" if len(waiting) > 1 else f"the training {oldest.asset} {oldest.partition}"
    alert = Alert(
        kind="tracking_down",
        severity="warning",
        use_case=oldest.asset.partition("/")[0],
        pipeline="training",
        subject="MLflow",
        what=f"MLflow could not be told of {runs.strip()}: {oldest.reason}",
        since=oldest.since,
        served_meanwhile=f"Trainings go on; {entries:,} entries are kept in the journal and told later, in order.",
        owners=owners_of(oldest.asset.partition("/")[0]),
        error_class="transient",
        remedy="Bring MLflow back. What waits is told by itself; `ml-platform status` says what is left.",
    )
    return [Found(alert, frozenset(Affected(each.asset, each.partition) for each in waiting))]


def drift_alerts(alarms: Iterable[StandingAlarm]) -> list[Found]:
    """One warning for each deployment whose features have drifted, or whose predictions have become worse."""
    return [_drift(each) for each in alarms]


def broken_alerts(broken: Iterable[Broken]) -> list[Found]:
    """One error for each use case that could not be loaded."""
    return [_broken(each) for each in broken]


def _broken(broken: Broken) -> Found:
    alert = Alert(
        kind="broken",
        severity="error",
        use_case=broken.use_case,
        pipeline="operations",
        subject=broken.use_case,
        what=f"The use case {broken.use_case} cannot be loaded: {broken.error}",
        served_meanwhile="What was published before; nothing of it is made until it is mended. Other use cases go on.",
        error_class="code",
        error=DefinitionError.__name__,
        remedy="Correct it, run `make check`, and reload the code locations.",
    )
    return Found(alert, frozenset({Affected(broken.use_case, UNPARTITIONED)}))


def _drift(alarm: StandingAlarm) -> Found:
    use_case, _, _ = alarm.table.partition("/")
    found = Alert(
        kind="drift",
        severity="warning",
        use_case=use_case,
        pipeline="serving",
        subject=alarm.table,
        what=f"{alarm.table}: {alarm}.",
        since=datetime.combine(alarm.since, time(), UTC),
        served_meanwhile=f"Predictions of version {alarm.model_version}, as before.",
        owners=owners_of(use_case),
        error_class="data",
        remedy="Look which columns have moved and why. What is broken is mended and its days made again; for what has "
        "changed for good, a newer month is trained: the sensor on drift says what it waits for.",
    )
    return Found(found, frozenset({Affected(alarm.table, alarm.identity)}))


def _degraded(group: Sequence[Degradation], marks: Sequence[Degradation], dagster_url: str) -> Found:
    newest, names = max(group, key=lambda each: each.since), {each.name for each in group}
    use_case, _, _ = newest.table.partition("/")
    which = "" if newest.partition == UNPARTITIONED else f" {newest.partition}"
    more = f" So are {len(group) - 1:,} more partitions of it." if len(group) > 1 else ""
    alert = Alert(
        kind="degraded",
        severity="warning",
        use_case=use_case,
        pipeline="serving" if newest.rung in ("last_known_good", "baseline") else "data",
        subject=newest.table,
        what=f"{newest.table}{which} was made on the rung '{newest.rung}': {newest.reason}{more}",
        since=min(each.since for each in group),
        served_meanwhile=_SERVED[newest.rung] + _what_follows(names, marks),
        owners=owners_of(use_case),
        error_class="data",
        error=newest.rung,
        partitions=len(group),
        run_id=newest.run_id,
        run_url=f"{dagster_url}/runs/{newest.run_id}",
        remedy="Mend the cause; what is degraded is then made again by the sensors that are on, or by hand.",
    )
    return Found(alert, frozenset(Affected(each.table, each.partition) for each in group))


def _what_follows(names: set[str], marks: Sequence[Degradation]) -> str:
    """What else is degraded because of these, by table."""
    reached, before = set(names), 0
    while len(reached) > before:
        before = len(reached)
        reached |= {each.name for each in marks if reached & set(each.causes)}
    tables = Counter(each.table for each in marks if each.name in reached - names)
    told = [f"{table} ({number:,})" for table, number in sorted(tables.items())]
    return f" Degraded with it, in partitions: {', '.join(told)}." if told else ""


def _late(finding: Finding, pipeline: str) -> Found:
    use_case, _, _ = finding.asset.partition("/")
    first, last = finding.partitions[0], finding.partitions[-1]
    which = "" if first == UNPARTITIONED else f" {first}" if first == last else f" {first} to {last}"
    alert = Alert(
        kind="not_fresh",
        severity=severity_of(pipeline),
        use_case=use_case,
        pipeline=pipeline,
        subject=finding.asset,
        what=f"{finding.asset}{which} is not there: {finding.what}.",
        **({"since": finding.since} if finding.since else {}),
        served_meanwhile="What was published before.",
        owners=owners_of(use_case),
        partitions=len(finding.partitions),
        remedy="Look whether what it is made from has arrived and whether its runs fail: `ml-platform status`.",
    )
    return Found(alert, frozenset(Affected(finding.asset, each) for each in finding.partitions))
