"""Promotion: the gate's word carried out, and which version answers from a month on.

Belongs here: the record of a promotion and how a day finds its champion. Does not: the gate, or the registry's store.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import NoChampionError
from ml_platform.tracking.registry import RegisteredModel


class Registry(Protocol):
    """What promotion needs of the model registry."""

    def as_of(self, name: str, month: dt.date) -> RegisteredModel:
        """The newest version of the month."""
        ...

    def promote(self, name: str, version: int, reason: str) -> RegisteredModel:
        """The version, promoted."""
        ...

    def champion(self, name: str, as_of: dt.date | None = None) -> RegisteredModel | None:
        """The version that answers on a day."""
        ...


class Promotion(BaseModel):
    """What happened at one as-of month, and who answers from then on."""

    model_config = ConfigDict(frozen=True)

    as_of: dt.date = Field(description="First day of the as-of month.")
    candidate: RegisteredModel = Field(description="The version that was registered for the month.")
    is_promoted: bool = Field(description="Whether it was promoted.")
    reason: str = Field(description="What the gate said.")
    champion: RegisteredModel | None = Field(
        description="Who answers from the month on; null before the first champion."
    )


def promote_if_approved(registry: Registry, name: str, month: dt.date) -> Promotion:
    """Promote the month's version if the gate approved it; otherwise the champion stays, with the gate's reason.

    Raises:
        ModelNotFoundError: no version was registered for the month.
    """
    candidate = registry.as_of(name, month)
    reason = candidate.gate_reason or f"The gate's word is '{candidate.gate}'."
    if candidate.gate == "approved":
        candidate = registry.promote(name, candidate.version, reason)
    champion = registry.champion(name, month)
    return Promotion(
        as_of=month,
        candidate=_without_aliases(candidate),
        is_promoted=candidate.gate == "approved",
        reason=reason,
        champion=_without_aliases(champion) if champion else None,
    )


def champions_by_day(promotions: Iterable[Promotion], days: Sequence[dt.date]) -> dict[dt.date, RegisteredModel]:
    """The champion of each day: that of the latest promotion record up to the day.

    Raises:
        NoChampionError: naming every day before the first champion.
    """
    records = sorted(promotions, key=lambda each: each.as_of)
    latest = {day: [each for each in records if each.as_of <= day][-1:] for day in days}
    found = {day: each[0].champion for day, each in latest.items() if each and each[0].champion is not None}
    if missing := sorted(set(days) - found.keys()):
        known = ", ".join(each.as_of.isoformat() for each in records if each.champion is not None)
        raise NoChampionError(
            f"{len(missing)} of {len(days)} days have no champion, {missing[0]} to {missing[-1]}",
            expected="a promotion record of the day's month or an earlier one, with a champion",
            got=f"champions from {known}" if known else "none",
            kept="Nothing was predicted.",
            remedy="Materialize training and promotion of an earlier month, or predict later days.",
        )
    return {day: champion for day, champion in found.items() if champion is not None}


def _without_aliases(model: RegisteredModel) -> RegisteredModel:
    """Aliases move on with later promotions, and the record of a month does not."""
    return model.model_copy(update={"aliases": ()})
