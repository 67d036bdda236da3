"""What a receiver is told: an alert, its count, its end, or many of them summed up.

Belongs here: the words, which are the same for every receiver. Does not: how they look there (`receivers`).
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ml_platform.recovery.alerts.alert import Alert, Kind, Severity

_TITLES: dict[Kind, str] = {
    "run_failed": "{} failed",
    "degraded": "{} is degraded",
    "not_fresh": "{} is not fresh",
    "drift": "{} has an alarm",
    "broken": "{} is broken",
    "check_failed": "{} does not pass its check",
    "tracking_down": "{} does not answer",
    "online": "{}",
    "maintenance": "{} needs maintenance",
    "undelivered": "Alerts do not reach {}",
    "test": "A test of {}",
}
_MOST_SUBJECTS = 5


class Fact(BaseModel):
    """One line of a message: what it is, and what it says."""

    model_config = ConfigDict(frozen=True)

    label: str
    text: str


class Message(BaseModel):
    """One message to a receiver. `key` is of the alert, `id` of the message: who gets one twice can tell."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    event: Literal["raised", "again", "resolved"]
    key: str
    severity: Severity
    title: str
    text: str
    facts: tuple[Fact, ...] = ()
    use_case: str = ""
    pipeline: str = ""
    subject: str = ""
    kind: str = ""
    link: str = ""
    at: AwareDatetime


def raised(alert: Alert, at: datetime) -> Message:
    """The first word of an alert."""
    return _message("raised", alert, title(alert), alert.what, facts_of(alert), at)


def again(alert: Alert, count: int, at: datetime) -> Message:
    """An alert that goes on: how often it has come by now."""
    return _message("again", alert, f"{title(alert)}, {count:,} times", alert.what, facts_of(alert, count), at)


def resolved(alert: Alert, what: str, count: int, at: datetime) -> Message:
    """The last word of an alert: what mended it, and how long it lasted."""
    lasted = duration((at - alert.since).total_seconds())
    told = [Fact(label="Lasted", text=lasted), Fact(label="Since", text=instant(alert.since))]
    if count > 1:
        told.append(Fact(label="How often", text=f"{count:,} times"))
    return _message("resolved", alert, f"Resolved: {title(alert)}", what, told, at)


def storm(route: str, subjects: Sequence[tuple[str, int]], count: int, severity: Severity, at: datetime) -> Message:
    """Many alerts in few words: how many were not told one by one, and what most of them are about."""
    most = [f"{subject} ({number:,})" for subject, number in subjects[:_MOST_SUBJECTS]]
    rest = len(subjects) - len(most)
    return Message(
        event="raised",
        key=storm_key(route),
        severity=severity,
        title=f"{count:,} more alerts on the way '{route}'",
        text=f"They came faster than they are told one by one. Of these: {', '.join(most)}"
        + (f", and {rest:,} more." if rest > 0 else "."),
        facts=(
            Fact(label="What to do", text="Look for what they have in common: `ml-platform status` lists them all."),
        ),
        subject=f"route {route}",
        kind="storm",
        at=at,
    )


def calm(route: str, count: int, severity: Severity, at: datetime) -> Message:
    """The end of a storm."""
    return Message(
        event="resolved",
        key=storm_key(route),
        severity=severity,
        title=f"Resolved: {count:,} more alerts on the way '{route}'",
        text="None of those that were summed up is open any more. Alerts are told one by one again.",
        subject=f"route {route}",
        kind="storm",
        at=at,
    )


def storm_key(route: str) -> str:
    """What the messages of one route's storms have in common."""
    return f"storm-{route}"


def title(alert: Alert) -> str:
    """The alert in a few words."""
    return _TITLES[alert.kind].format(alert.subject)


def facts_of(alert: Alert, count: int = 1) -> list[Fact]:
    """What a person has to know to act, in the order in which it is asked."""
    error = ", ".join(part for part in (alert.error_class, alert.error) if part)
    told = (
        ("Since", instant(alert.since)),
        ("How often", f"{count:,} times" if count > 1 else ""),
        ("Partitions", f"{alert.partitions:,}" if alert.partitions else ""),
        ("Error", error),
        ("Served meanwhile", alert.served_meanwhile),
        ("Owner", ", ".join(alert.owners)),
        ("What to do", alert.remedy),
    )
    return [Fact(label=label, text=text) for label, text in told if text]


def instant(at: datetime) -> str:
    """An instant as people read it, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """A length of time in its two largest units: 2 h 5 min."""
    whole = max(0, round(seconds))
    parts = ((whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s"))
    told = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(told[:2]) or "0 s"


def _message(
    event: Literal["raised", "again", "resolved"],
    alert: Alert,
    what: str,
    text: str,
    facts: Sequence[Fact],
    at: datetime,
) -> Message:
    return Message(
        event=event,
        key=alert.fingerprint,
        severity=alert.severity,
        title=what,
        text=text,
        facts=tuple(facts),
        use_case=alert.use_case,
        pipeline=alert.pipeline,
        subject=alert.subject,
        kind=alert.kind,
        link=alert.run_url,
        at=at,
    )
