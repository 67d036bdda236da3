"""Promotion: what the gate and people said carried out, and which version answers from a month on.

Belongs here: the record of a promotion and how a day finds its champion. Does not: the gate, or the registry's rules.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import NoChampionError
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.registry import ModelRegistry, RegisteredModel
from ml_platform.tracking.standing import obstacle_to_promotion

Outcome = Literal["promoted", "refused", "waiting", "rejected", "rolled_back"]


class Promotion(BaseModel):
    """What happened at one as-of month, and who answers from then on."""

    model_config = ConfigDict(frozen=True)

    as_of: dt.date = Field(description="First day of the as-of month.")
    candidate: RegisteredModel = Field(description="The version that was registered for the month.")
    is_promoted: bool = Field(description="Whether it was promoted.")
    outcome: Outcome = Field(
        "refused", description="What became of it: promoted, refused by the gate, waiting for or refused by a person."
    )
    reason: str = Field(description="Why, and what can be done about it.")
    champion: RegisteredModel | None = Field(
        description="Who answers from the month on; null before the first champion."
    )


def recorded_promotions(artifacts: ObjectStore, record: str) -> list[Promotion]:
    """Every promotion that the asset `record` ("flights/delay_champion") has recorded, by month."""
    documents = (artifacts.read(info.path) for info in artifacts.list(f"records/{record}"))
    return sorted((Promotion.model_validate_json(each) for each in documents), key=lambda each: each.as_of)


def promote_if_approved(
    registry: ModelRegistry, name: str, month: dt.date, *, requires_approval: bool = False, by: str = ""
) -> Promotion:
    """Promote the month's version if nothing stands against it; otherwise the champion stays, with the reason.

    What stands against it: the gate's word, a person's, with `requires_approval` the lack of one, or a rollback.

    Raises:
        ModelNotFoundError: no version was registered for the month.
    """
    candidate = registry.as_of(name, month)
    if not candidate.rolled_back and not obstacle_to_promotion(candidate, requires_approval=requires_approval):
        registry.promote(name, candidate.version, _gate_said(candidate), by=by, requires_approval=requires_approval)
    return promotion_of(registry, name, month)


def promotion_of(registry: ModelRegistry, name: str, month: dt.date) -> Promotion:
    """What has become of the month's version, and who answers from the month on; decides nothing.

    Raises:
        ModelNotFoundError: no version was registered for the month.
    """
    candidate, champion = registry.as_of(name, month), registry.champion(name, month)
    outcome = _outcome(candidate)
    return Promotion(
        as_of=month,
        candidate=_without_aliases(candidate),
        is_promoted=candidate.is_promoted,
        outcome=outcome,
        reason=_reason(candidate, outcome),
        champion=_without_aliases(champion) if champion else None,
    )


def _outcome(model: RegisteredModel) -> Outcome:
    if model.is_promoted:
        return "promoted"
    if model.rolled_back:
        return "rolled_back"
    if model.gate != "approved":
        return "refused"
    return "rejected" if model.approval == "rejected" else "waiting"


def _reason(model: RegisteredModel, outcome: Outcome) -> str:
    which = f"{model.name} {model.version}"
    told = {
        "promoted": _gate_said(model),
        "refused": _gate_said(model),
        "waiting": f"{_gate_said(model)}. Version {model.version} is waiting for approval, by its trial on requests "
        f"where one is declared (`ml-platform trial {model.name}`), or by a person: type `ml-platform approve {which} "
        f"--reason ...` or `ml-platform reject {which} --reason ...`, then materialize this month again.",
        "rejected": f"Rejected by {model.approval_by}: {model.approval_reason}",
        "rolled_back": f"Rolled back {model.rolled_back}. It is not promoted again by itself; "
        f"`ml-platform promote {which} --reason ...` does it.",
    }
    return told[outcome]


def _gate_said(model: RegisteredModel) -> str:
    return model.gate_reason or f"The gate's word is '{model.gate}'."


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
