"""What is degraded, turned into alerts: one for each table and rung, until nothing of it is.

Belongs here: comparing the ledger with the open alerts. Does not: the ledger (`recovery.degradation`).
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from ml_platform.operations.failures import owners_of
from ml_platform.recovery.alerts.alert import Alert
from ml_platform.recovery.alerts.center import Affected, AlertCenter
from ml_platform.recovery.degradation import Degradation, Rung
from ml_platform.storage.batches import UNPARTITIONED

_SERVED: dict[Rung, str] = {
    "cached": "What was published before, in its place.",
    "last_known": "Values of the last moment that is known.",
    "empty": "Nothing for these partitions; what follows from them goes without.",
    "last_known_good": "Answers of the last champion that was good.",
    "baseline": "Answers of the baseline, which knows only rates.",
    "inherited": "Results made from something that is degraded.",
}
_MENDED = "It was made again from what is sound."


def alert_of_degraded(center: AlertCenter, marks: Sequence[Degradation], dagster_url: str) -> int:
    """Raise what is newly degraded and end what no longer is; how many alerts are new or over."""
    groups: dict[tuple[str, Rung], list[Degradation]] = defaultdict(list)
    for mark in marks:
        if mark.rung != "inherited":  # told with what it inherits from
            groups[mark.table, mark.rung].append(mark)
    open_alerts = {each.fingerprint: each for each in center.open() if each.alert.kind == "degraded"}
    changed = 0
    for degraded in groups.values():
        alert = _alert(degraded, marks, dagster_url)
        known = open_alerts.pop(alert.fingerprint, None)
        before, now = set(known.affected if known else ()), {Affected(each.table, each.partition) for each in degraded}
        if now - before:
            changed += center.raise_alert(alert, affected=now)
        if before - now:
            center.mend(alert.fingerprint, before - now, _MENDED)
    return changed + sum(center.resolve(fingerprint, _MENDED) for fingerprint in open_alerts)


def _alert(degraded: Sequence[Degradation], marks: Sequence[Degradation], dagster_url: str) -> Alert:
    newest, names = max(degraded, key=lambda each: each.since), {each.name for each in degraded}
    use_case, _, _ = newest.table.partition("/")
    which = "" if newest.partition == UNPARTITIONED else f" {newest.partition}"
    more = f" So are {len(degraded) - 1:,} more partitions of it." if len(degraded) > 1 else ""
    return Alert(
        kind="degraded",
        severity="warning",
        use_case=use_case,
        pipeline=_pipeline(newest),
        subject=newest.table,
        what=f"{newest.table}{which} was made on the rung '{newest.rung}': {newest.reason}{more}",
        since=min(each.since for each in degraded),
        served_meanwhile=_SERVED[newest.rung] + _follow(names, marks),
        owners=owners_of(use_case),
        error_class="data",
        error=newest.rung,
        partitions=len(degraded),
        run_id=newest.run_id,
        run_url=f"{dagster_url}/runs/{newest.run_id}",
        remedy="It is made again by itself once the cause has gone. If it should not wait, mend the cause.",
    )


def _pipeline(mark: Degradation) -> str:
    return "serving" if mark.rung in ("last_known_good", "baseline") else "data"


def _follow(names: set[str], marks: Sequence[Degradation]) -> str:
    """What else is degraded because of these, by table."""
    reached, grown = set(names), True
    while grown:
        found = {each.name for each in marks if reached & set(each.causes)}
        grown = not found <= reached
        reached |= found
    tables = Counter(each.table for each in marks if each.name in reached - names)
    told = [f"{table} ({number:,})" for table, number in sorted(tables.items())]
    return f" Degraded with it, in partitions: {', '.join(told)}." if told else ""
