"""From distances and losses of days to evidence of drift and decay, and to alarms.

Belongs here: the evidence of a champion's days up to each day, and what stands. Does not: how evidence is had
(`evaluation.evidence`), or what an alarm leads to (the sensors of training, `operations`).

The days of one champion are one story: another champion begins anew, with its own reference. Days that were left out,
or have no labels yet, add nothing to the story and end nothing.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from ml_platform.evaluation.distances import FloatArray
from ml_platform.evaluation.evidence import evidence_by_day, normal_scores, standing_since, variance_inflation
from ml_platform.serving.drift import DriftReference
from ml_platform.tracking.registry import RegisteredModel

ONE_DAY = dt.timedelta(days=1)


class Watched(NamedTuple):
    """What was measured on one day; null is what could not be."""

    drift: float | None
    most_drifted: str | None
    excess_loss: float | None


class Evidence(NamedTuple):
    """The evidence so far, and the first day of the alarm that stands, if one does."""

    value: float
    since: dt.date | None


NOTHING = Watched(None, None, None)
NO_EVIDENCE = Evidence(0.0, None)


def watched_by_day(drift: pl.DataFrame, losses: Mapping[dt.date, float], day: str) -> dict[dt.date, Watched]:
    """What was measured on each day that has distances; `drift` has one row for each day and column."""
    worst = (
        drift.with_columns(ratio=pl.col("distance") / pl.col("threshold"))
        .sort(day, "ratio", "column", descending=[False, True, False])
        .group_by(day, maintain_order=True)
        .first()
    )
    return {
        at: Watched(ratio, column, losses.get(at)) for at, ratio, column in worst.select(day, "ratio", "column").rows()
    }


def alarm_rows(
    days: Sequence[dt.date],
    champions: Mapping[dt.date, RegisteredModel],
    watched: Mapping[dt.date, Watched],
    references: Mapping[str, DriftReference],
    *,
    day: str,
    history_days: int,
    needed: float,
) -> list[dict[str, Any]]:
    """One row for each of `days`; `references` are by fingerprint, and a champion without one has no evidence."""
    rows = []
    for each in days:
        champion = champions.get(each)
        reference = references.get(champion.fingerprint) if champion else None
        drift = decay = NO_EVIDENCE
        if champion and reference:
            past = _days_of(champion, each, champions, history_days)
            drift, decay = _evidence(reference, {one: watched.get(one, NOTHING) for one in past}, needed)
        rows.append({day: each, **_told(champion, watched.get(each, NOTHING), drift, decay, needed)})
    return rows


def _days_of(
    champion: RegisteredModel, day: dt.date, champions: Mapping[dt.date, RegisteredModel], history_days: int
) -> list[dt.date]:
    """The days up to `day` of which it is champion, in order, no further back than the history goes."""
    first = day - history_days * ONE_DAY
    return sorted(
        one for one, each in champions.items() if first < one <= day and each.fingerprint == champion.fingerprint
    )


def _evidence(reference: DriftReference, past: Mapping[dt.date, Watched], needed: float) -> tuple[Evidence, Evidence]:
    """Evidence of drift and of decay after the last of these days."""
    drifts = {day: each.drift for day, each in past.items() if each.drift is not None}
    losses = {day: each.excess_loss for day, each in past.items() if each.excess_loss is not None}
    known = np.array(reference.drifts)
    scores = normal_scores(np.array(list(drifts.values())), known)
    return (
        _last(list(drifts), normal_scores(known, known), scores, needed),
        _last(list(losses), np.array(reference.losses), np.array(list(losses.values())), needed),
    )


def _last(days: Sequence[dt.date], reference: FloatArray, watched: FloatArray, needed: float) -> Evidence:
    if not days:
        return NO_EVIDENCE
    found = evidence_by_day(reference, watched, variance_inflation(reference))
    since = standing_since(found, needed)
    return Evidence(float(found[-1]), None if since is None else days[since])


def _told(
    champion: RegisteredModel | None, watched: Watched, drift: Evidence, decay: Evidence, needed: float
) -> dict[str, Any]:
    standing = [name for name, each in (("drift", drift), ("decay", decay)) if each.since]
    return {
        "model_version": champion.version if champion else None,
        "model_as_of": champion.as_of if champion else None,
        "model_fingerprint": champion.fingerprint if champion else None,
        **watched._asdict(),
        "drift_evidence": drift.value,
        "decay_evidence": decay.value,
        "evidence_needed": needed,
        "drift_since": drift.since,
        "decay_since": decay.since,
        "alarm": " and ".join(standing) or "none",
    }
