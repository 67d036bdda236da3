"""How the platform is, as one answer for each use case; what `ml-platform status` shows and alerts follow.

Belongs here: the answer. Does not: where it is read (`table_health`, `staleness`, `unfinished`, `model_health`), or how
it looks (`health_text`).

Every table is in some of these states, or fine: it is `failed` where the last run that was to make a partition ended
without it; `late` where a partition is not there by its declared deadline; `degraded` where what is published was made
on a lower rung of a fallback ladder; `running` or `queued` where a run is about to make it; `stale` where an input has
other content than the one it was made from; `missing` where a day of the calendar, or a key that was found, has not
been published. Code and configuration that changed are not seen here: Dagster's UI shows them, and the next run
computes what follows from them.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ml_platform.components.cuts import By

State = Literal["failed", "late", "degraded", "running", "queued", "stale", "missing"]
NEEDS_A_PERSON: frozenset[State] = frozenset({"failed", "late", "degraded"})
DAEMON_SILENCE = dt.timedelta(seconds=120)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Finding(_Answer):
    """Partitions of one table, record or model that are in one state for one reason."""

    state: State = Field(description="What they are.")
    asset: str = Field(description="Table, record or model asset, as in `flights/clean`.")
    partitions: tuple[str, ...] = Field(description="Partition keys in order; `all` without partitions.")
    what: str = Field("", description="Why, in a sentence.")
    since: AwareDatetime | None = Field(None, description="Instant (UTC) since which; null where nothing tells.")
    error_class: str = Field("", description="Class of the error, of what failed.")
    error: str = Field("", description="Name of the error's type, of what failed.")
    rung: str = Field("", description="Rung of the ladder, of what is degraded.")
    run_id: str = Field("", description="The run that failed, is at work, or made it.")
    also: tuple[str, ...] = Field((), description="Other assets that the same run was to make, and did not.")


class TableHealth(_Answer):
    """What is published of one table."""

    name: str = Field(description="Name of the table.")
    by: By = Field(description="Whether it has a partition for each day, for each key that landed, or is whole.")
    published: int = Field(description="Partitions that are published; 1 for a table that is whole.")
    expected: int = Field(description="Partitions that the calendar has so far, or keys that were found.")
    newest: str | None = Field(description="Its newest published day; null before the first, and if not by day.")
    rows: int = Field(description="Rows that are published.")


class ModelHealth(_Answer):
    """Who answers of one registered model."""

    name: str = Field(description="Name in the registry.")
    versions: int = Field(description="Registered versions.")
    champion: int | None = Field(description="The version that answers; null before the first.")
    as_of: dt.date | None = Field(description="As-of month of the champion: it knew what was known before.")
    promoted_at: AwareDatetime | None = Field(description="Since when it is champion (UTC).")
    last_known_good: int | None = Field(description="The version that would answer without it; null if none would.")
    waiting: tuple[int, ...] = Field((), description="Versions that wait for a person's approval.")
    problem: str = Field("", description="Why its log cannot be trusted; empty if it can.")
    alarm: str = Field("", description="The alarm of drift or decay that stands, in a sentence; empty if none does.")


class UseCaseHealth(_Answer):
    """One use case."""

    name: str = Field(description="Name of the use case.")
    owners: tuple[str, ...] = Field(description="Who is asked.")
    tables: tuple[TableHealth, ...] = Field(description="Its tables, sources first.")
    models: tuple[ModelHealth, ...] = Field(description="Its registered models.")
    findings: tuple[Finding, ...] = Field(description="What is not as it should be, or not yet; the worst first.")

    def of(self, *states: State) -> list[Finding]:
        """The findings of these states."""
        return [each for each in self.findings if each.state in states]

    @property
    def fine(self) -> list[TableHealth]:
        """The tables of which nothing is found and something is published."""
        troubled = {each.asset for each in self.findings}
        return [table for table in self.tables if table.published and table.name not in troubled]


class BrokenUseCase(_Answer):
    """A use case that cannot be loaded: nothing of it is made, and nothing else of it can be told."""

    name: str = Field(description="Name of its folder.")
    error: str = Field(description="What is wrong with it.")


class AlertShown(_Answer):
    """One open alert."""

    severity: str = Field(description="How soon a person is needed.")
    subject: str = Field(description="What is wrong.")
    what: str = Field(description="What happened.")
    since: AwareDatetime = Field(description="Since when (UTC).")
    times: int = Field(description="How often it came.")


class Health(_Answer):
    """The platform."""

    at: AwareDatetime = Field(description="When it was looked at (UTC).")
    use_cases: tuple[UseCaseHealth, ...] = Field(description="Each sound use case.")
    broken: tuple[BrokenUseCase, ...] = Field((), description="Use cases that cannot be loaded.")
    alerts: tuple[AlertShown, ...] = Field((), description="Open alerts, the worst first.")
    daemon_seen_at: AwareDatetime | None = Field(None, description="Last sign of life of the Dagster daemon (UTC).")
    runs_at_work: int = Field(0, description="Runs that are at work.")
    runs_queued: int = Field(0, description="Runs that wait to be launched.")
    mlflow_waiting: int = Field(0, description="Trainings of which MLflow has still to be told.")

    @property
    def is_daemon_alive(self) -> bool:
        """Whether the daemon gave a sign of life lately."""
        return self.daemon_seen_at is not None and self.at - self.daemon_seen_at < DAEMON_SILENCE

    @property
    def problems(self) -> Sequence[str]:
        """What needs a person, in a few words each; none if nothing does."""
        found = [
            f"{len(of_state)} {state}"
            for state in ("failed", "late", "degraded")
            if (of_state := [each for case in self.use_cases for each in case.findings if each.state == state])
        ]
        found = [f"{each.name} is broken" for each in self.broken] + found
        models = [model for case in self.use_cases for model in case.models]
        waiting = sum(len(model.waiting) for model in models)
        found += [_counted(waiting, "version waits", "versions wait") + " for approval"] if waiting else []
        found += [f"the log of {model.name} cannot be trusted" for model in models if model.problem]
        open_alerts = [each for each in self.alerts if each.severity != "info"]
        found += [_counted(len(open_alerts), "alert is open", "alerts are open")] if open_alerts else []
        if self.runs_queued and not self.is_daemon_alive:
            found.append(_counted(self.runs_queued, "run waits", "runs wait") + " for a daemon that is not running")
        return found


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
