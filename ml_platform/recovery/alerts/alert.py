"""One alert: what is wrong, told so that a person can act on it.

Belongs here: its fields, and which alerts are the same one. Does not: who is told, and how it looks there.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Kind = Literal[
    "run_failed",
    "degraded",
    "not_fresh",
    "check_failed",
    "drift",
    "broken",
    "tracking_down",
    "online",
    "maintenance",
    "undelivered",
    "test",
]
Severity = Literal["info", "warning", "error", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error", "critical")


class Alert(BaseModel):
    """One thing that is wrong. It names no value of a table: what is sent leaves the platform."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = Field(description="What sort of thing is wrong.")
    severity: Severity = Field(description="How soon a person is needed: `critical` now, `info` never.")
    use_case: str = Field("", description="Use case that it belongs to; empty if it is the platform's own.")
    pipeline: str = Field("", description="Code location of it: data, training, serving or operations.")
    subject: str = Field(description="What is wrong: a table, model, job, check or receiver.")
    what: str = Field(description="What happened, in a sentence or a few.")
    since: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC), description="Since when (UTC).")
    served_meanwhile: str = Field("", description="What readers get until it is mended.")
    owners: tuple[str, ...] = Field((), description="Who is asked: e-mail addresses, or `team:<name>`.")
    error_class: str = Field("", description="Class of the error: transient, throttled, resource, data or code.")
    error: str = Field("", description="Name of the error's type.")
    partitions: int = Field(0, ge=0, description="How many partitions it is about; 0 where there are none.")
    run_id: str = Field("", description="Run that failed; empty if there is none.")
    run_url: str = Field("", description="Page of that run, or of what is wrong, in the UI.")
    remedy: str = Field("", description="What to do.")

    @property
    def fingerprint(self) -> str:
        """The same for two alerts about the same thing: not of run, partition, instant or numbers in the text."""
        same = (self.kind, self.use_case, self.subject, self.error_class, self.error)
        return hashlib.sha256(json.dumps(same).encode()).hexdigest()[:16]
