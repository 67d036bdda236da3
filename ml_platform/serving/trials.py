"""Trials of new versions on requests: what is allowed to them, what was found, and what follows for promotion.

Belongs here: limits, reports, verdicts, and what promotion does with them. Does not: trying, which the online service
does (`online.trial`).
"""

import datetime as dt
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.evaluation.bets import Bets
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.registry import ModelRegistry, RegisteredModel

BY = "the trial on requests"
_FOLDER = "trials"
_SAME = {"model", "version", "sha256", "champion_sha256", "limits"}
Verdict = Literal["running", "passed", "refused"]


class TrialLimits(BaseModel):
    """How a new version is tried on requests before it is promoted, and what ends the trial."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(
        0.0,
        ge=0.0,
        le=0.5,
        description="Share of the requests that the new version answers (canary); at 0 it answers none (shadow).",
    )
    requests: int = Field(
        1000, ge=1, description="Requests on which both versions are compared before the new one has passed."
    )
    failures: float = Field(
        0.001, gt=0, lt=1, description="Harmless share of requests for which it raises, or gives no probabilities."
    )
    times_as_slow: float = Field(
        2.0, gt=1, description="A request counts as slow if it takes this many times the champion's CPU time."
    )
    slow: float = Field(0.2, gt=0, lt=1, description="Harmless share of requests that are slow.")
    difference: float = Field(
        0.1, gt=0, lt=1, description="Harmless mean distance between its probabilities and the champion's."
    )
    false_alarms: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="Highest chance that one process refuses a version of which each request, whatever came before, is "
        "within all limits on average; however long it is tried.",
    )


class TrialReport(BaseModel):
    """What one process of the online service found of a version so far."""

    model_config = ConfigDict(frozen=True)

    model: str = Field(description="Registered model.")
    version: int = Field(description="The version that is tried.")
    sha256: str = Field(description="Hash of its bytes.")
    champion: int = Field(description="The version that it is compared with.")
    champion_sha256: str = Field(description="Hash of its bytes.")
    process: str = Field(description="Which process of the service this is.")
    limits: TrialLimits = Field(description="What is allowed.")
    since: dt.datetime = Field(description="When the trial began.")
    answered: int = Field(0, description="Requests that the new version answered.")
    passed_by: int = Field(0, description="Requests that were not compared, because too many waited for it.")
    failures: Bets = Field(description="Of each request, whether it failed.")
    slow: Bets = Field(description="Of each request, whether it was slow.")
    difference: Bets = Field(description="Of each request, the mean distance between the two probabilities.")
    broken: str = Field("", description="Why it could not be tried at all; empty if it could.")

    def is_like(self, other: "TrialReport") -> bool:
        """Whether it is of the same version beside the same champion, within the same limits."""
        mine, others = (each.model_dump(include=_SAME) for each in (self, other))
        return mine == others

    @property
    def evidence_needed(self) -> float:
        """Evidence at which one of the three limits counts as exceeded; each has a third of the false alarms."""
        return 3 / self.limits.false_alarms

    @property
    def evidence(self) -> float:
        """The greatest evidence that a limit is exceeded."""
        return max(bets.evidence for bets in (self.failures, self.slow, self.difference))

    @property
    def exceeded(self) -> list[str]:
        """What is certain enough to be too much, in words."""
        streams = (
            (self.failures, f"{self.failures.mean:.2%} of requests failed", f"{self.limits.failures:.2%}"),
            (
                self.slow,
                f"{self.slow.mean:.0%} took {self.limits.times_as_slow:g} times as long",
                f"{self.limits.slow:.0%}",
            ),
            (self.difference, f"probabilities differ by {self.difference.mean:.3f}", f"{self.limits.difference:g}"),
        )
        needed = self.evidence_needed
        return [f"{told} (harmless: {limit})" for bets, told, limit in streams if bets.evidence >= needed]

    @property
    def verdict(self) -> Verdict:
        """Refused as soon as a limit is exceeded; passed once enough requests were compared."""
        if self.broken or self.exceeded:
            return "refused"
        return "passed" if self.failures.seen >= self.limits.requests else "running"

    @property
    def reason(self) -> str:
        """The verdict in a sentence."""
        of = f"after {self.failures.seen} requests beside version {self.champion}"
        match self.verdict:
            case "refused":
                return self.broken or f"{'; '.join(self.exceeded)}, {of}"
            case "passed":
                return f"no limit was exceeded {of}"
            case _:
                return f"{self.failures.seen} of {self.limits.requests} requests compared"


def begin(challenger: RegisteredModel, champion: RegisteredModel, limits: TrialLimits, process: str) -> TrialReport:
    """A report of nothing yet."""
    return TrialReport(
        model=challenger.name,
        version=challenger.version,
        sha256=challenger.sha256,
        champion=champion.version,
        champion_sha256=champion.sha256,
        process=process,
        limits=limits,
        since=dt.datetime.now(dt.UTC),
        failures=Bets(limit=limits.failures),
        slow=Bets(limit=limits.slow),
        difference=Bets(limit=limits.difference),
    )


def publish(report: TrialReport, artifacts: ObjectStore) -> None:
    """Put a report where everybody reads it; one with a verdict is apart, so that a listing tells of it."""
    name = f"{report.version}-{report.process}.json"
    if report.verdict != "running":
        artifacts.write(f"{_ended(report.model)}/{name}", report.model_dump_json().encode())
    artifacts.write(f"{_running(report.model)}/{name}", report.model_dump_json().encode())


def reports(artifacts: ObjectStore, model: str) -> list[TrialReport]:
    """The newest report of each process and version, oldest trial first."""
    read = (artifacts.read(each.path) for each in artifacts.list(_running(model)))
    return sorted((TrialReport.model_validate_json(each) for each in read), key=lambda each: each.since)


def verdicts(artifacts: ObjectStore, trial: TrialReport) -> list[TrialReport]:
    """The reports of the same trial, of all processes, that have a verdict."""
    listed = [each.path for each in artifacts.list(_ended(trial.model))]
    mine = [path for path in listed if path.rpartition("/")[2].startswith(f"{trial.version}-")]
    found = [TrialReport.model_validate_json(artifacts.read(path)) for path in mine]
    return [each for each in found if each.is_like(trial)]


def ended_trials(artifacts: ObjectStore, model: str) -> int:
    """How many verdicts there are, by one listing: another number means that one was given."""
    return len(artifacts.list(_ended(model)))


class Tried(NamedTuple):
    """Whether a version has to be tried before it is promoted, and the word of its trial if there is one."""

    must_be: bool
    report: TrialReport | None = None


def tried(registry: ModelRegistry, artifacts: ObjectStore, name: str, month: dt.date, limits: TrialLimits) -> Tried:
    """What stands of the month's version: one has to be tried if it would take the place of a champion on requests.

    The word of a trial beside another champion, or within other limits, is not that of this one.

    Raises:
        ModelNotFoundError: no version was registered for the month.
    """
    candidate, champion = registry.as_of(name, month), registry.champion(name)
    if champion is None or champion.version == candidate.version or candidate.as_of < champion.as_of:
        return Tried(must_be=False)
    return Tried(must_be=True, report=_decisive(verdicts(artifacts, begin(candidate, champion, limits, process=""))))


def carry_out(registry: ModelRegistry, name: str, report: TrialReport, *, a_person_approves: bool) -> None:
    """Write the word of a trial into the registry's log, unless somebody has decided already."""
    candidate = registry.get(name, report.version)
    if candidate.approval != "none" or candidate.gate != "approved":
        return
    is_approved = report.verdict == "passed"
    if not (is_approved and a_person_approves):
        registry.set_approval(name, report.version, is_approved=is_approved, by=BY, reason=report.reason)


def _decisive(found: Sequence[TrialReport]) -> TrialReport | None:
    """A refusal if any process refused it, else a pass."""
    return min(found, key=lambda each: each.verdict != "refused", default=None)


def _running(model: str) -> str:
    return f"{_FOLDER}/{model}/reports"


def _ended(model: str) -> str:
    return f"{_FOLDER}/{model}/verdicts"
