"""Where every version of a model stands after the entries of its log: pure, the same entries give the same answer.

Belongs here: what follows from the log. Does not: the log (`registry_log`), or deciding (`registry`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.tracking.registry_log import ModelFacts, RegistryEvent

Gate = Literal["approved", "refused", "pending"]
Approval = Literal["none", "approved", "rejected"]
CHALLENGER, CHAMPION, LAST_KNOWN_GOOD = "challenger", "champion", "last_known_good"
ALIASES = (CHALLENGER, CHAMPION, LAST_KNOWN_GOOD)


class RegisteredModel(BaseModel):
    """One version of a registered model."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the model in the registry.")
    version: int = Field(description="Number of the version, from 1.")
    as_of: dt.date = Field(description="First day of the as-of month: trained on what was known before it.")
    uri: str = Field(description="Where the platform's canonical model bytes are.")
    sha256: str = Field(description="Hash of these bytes, in hexadecimal.")
    fingerprint: str = Field(description="Hash of everything that the model follows from.")
    run_id: str = Field(description="MLflow run that made it.")
    gate: Gate = Field(description="What the gate said.")
    gate_reason: str = Field("", description="Why the gate said so.")
    approval: Approval = Field("none", description="What a person said last.")
    approval_by: str = Field("", description="Who said so.")
    approval_reason: str = Field("", description="Why.")
    is_promoted: bool = Field(
        False, description="Whether it is promoted and not rolled back; only such a one predicts."
    )
    rolled_back: str = Field("", description="When it was rolled back, by whom and why; empty if it was not.")
    aliases: tuple[str, ...] = Field((), description="Aliases that point to it now, sorted.")
    snapshot: Mapping[str, int] = Field(
        default_factory=dict, description="Version of each table that it was made from; retention keeps these."
    )


class Standing:
    """The versions of one model after some entries of its log: all of them, or those up to an instant."""

    def __init__(self, events: Sequence[RegistryEvent]) -> None:
        """After `events`, oldest first."""
        self._facts: dict[int, ModelFacts] = {}
        self._said: dict[int, dict[str, str]] = {}
        self._promoted: dict[int, int] = {}
        for event in events:
            self._apply(event)
        self._name = events[0].model if events else ""
        aliases = self.aliases
        self.models = [self._model(version, aliases) for version in sorted(self._facts)]

    @property
    def promoted(self) -> list[RegisteredModel]:
        """The promoted versions; the last one is the champion. Of one month, the one promoted last comes last."""
        by_version = {each.version: each for each in self.models}
        return [by_version[version] for version in self._ranking()]

    @property
    def aliases(self) -> dict[str, int]:
        """Alias to version: champion answers now, last_known_good would without it, challenger is the newest."""
        ranking = self._ranking()
        newest = {CHALLENGER: list(self._facts)[-1]} if self._facts else {}
        ranked = dict(zip((CHAMPION, LAST_KNOWN_GOOD), reversed(ranking), strict=False))
        return {**newest, **ranked}

    def champion(self, day: dt.date | None = None) -> RegisteredModel | None:
        """The promoted version with the greatest as-of month up to `day`; that of the greatest month without one."""
        found = [each for each in self.promoted if day is None or each.as_of <= day]
        return found[-1] if found else None

    def _ranking(self) -> list[int]:
        return sorted(self._promoted, key=lambda version: (self._facts[version].as_of, self._promoted[version]))

    def _apply(self, event: RegistryEvent) -> None:
        if event.facts is not None:
            self._facts[event.version] = event.facts
        said = self._said.setdefault(event.version, {})
        if event.action in ("gate_approved", "gate_refused"):
            said |= {"gate": event.action.removeprefix("gate_"), "gate_reason": event.reason}
        elif event.action in ("approved", "rejected"):
            said |= {"approval": event.action, "approval_by": event.by, "approval_reason": event.reason}
        elif event.action == "promoted":
            self._promoted[event.version] = event.sequence
            said["rolled_back"] = ""
        elif event.action == "rolled_back":
            self._promoted.pop(event.version, None)
            said["rolled_back"] = f"{event.at:%Y-%m-%d %H:%M} UTC by {event.by}: {event.reason}"

    def _model(self, version: int, aliases: Mapping[str, int]) -> RegisteredModel:
        facts = self._facts[version]
        content = {
            "gate": "pending",
            **facts.model_dump(),
            **self._said[version],
            "name": self._name,
            "version": version,
            "is_promoted": version in self._promoted,
            "aliases": tuple(sorted(alias for alias, at in aliases.items() if at == version)),
        }
        return RegisteredModel.model_validate(content)


def obstacle_to_promotion(model: RegisteredModel, *, requires_approval: bool = False) -> str:
    """Why the version may not be promoted; empty if it may."""
    if model.gate != "approved":
        return f"the gate's word is '{model.gate}'"
    if model.approval == "rejected":
        return f"{model.approval_by} rejected it: {model.approval_reason}"
    if requires_approval and model.approval != "approved":
        return "it waits for a person's approval"
    return ""
