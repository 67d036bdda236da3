"""What a model loses with age: older versions against the one that was fresh, on the same rows.

Belongs here: measuring it. Does not: what it is worth (`score_model`).
"""

import datetime as dt
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import polars as pl

from ml_platform.evaluation.metrics import log_loss
from ml_platform.provenance.score_facts import Facts
from ml_platform.serving.predictions import load_model
from ml_platform.tracking.models import predict_probability
from ml_platform.tracking.registry import RegisteredModel

FEWEST_ROWS = 1000


class Aged(NamedTuple):
    """One older version on the month of a fresher one."""

    older: int
    fresher: int
    month: dt.date
    months: int
    loss: float  # log loss of the older less that of the fresher, nats
    rows: int


def scores_by_age(facts: Facts) -> list[Aged]:
    """This version on the months of fresher ones, and older ones on its own; only promoted versions are compared."""
    registry = facts.evidence.tracking.registry
    promoted = {each.as_of: each for each in registry.versions(facts.registered.name) if each.is_promoted}
    promoted[facts.registered.as_of] = facts.registered
    months = sorted(promoted)
    mine = facts.registered.as_of
    pairs = [(old, new) for new in months for old in months if old < new and mine in (old, new)]
    scored = cache(lambda version_month, month: _probabilities(facts, promoted[version_month], month))
    return list(_compared(facts, promoted, pairs, scored))


def _compared(facts: Facts, promoted: dict[dt.date, RegisteredModel], pairs: list, scored: object) -> Iterator[Aged]:
    raise NotImplementedError


def _probabilities(facts: Facts, model: RegisteredModel, month: dt.date) -> pl.Series:
    raise NotImplementedError


_ = (load_model, predict_probability, log_loss, FEWEST_ROWS)
