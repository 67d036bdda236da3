"""What a model loses with age: older versions against the one that was fresh, on the same rows.

Belongs here: measuring it. Does not: what it is worth (`score_model`).
"""

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl
from threadpoolctl import threadpool_limits

from ml_platform.evaluation.scores import value_of
from ml_platform.provenance.score_facts import Facts, Loss
from ml_platform.tracking.models import predict
from ml_platform.tracking.registry import RegisteredModel

FEWEST_ROWS = 100
EVERY = 3
"""Of the days of a month, so many are enough: it is the difference on the same rows that counts."""


class Aged(NamedTuple):
    """One older version on the month of a fresher one."""

    older: int
    fresher: int
    month: dt.date
    months: int
    loss: float  # the task's loss of the older less that of the fresher
    rows: int


def scores_by_age(facts: Facts) -> list[Aged]:
    """This version on the months of fresher ones, and older ones on its own; only promoted versions are compared."""
    registry, mine = facts.evidence.tracking.registry, facts.registered
    promoted = {each.as_of: each for each in registry.versions(mine.name) if each.is_promoted}
    versions = sorted((promoted | {mine.as_of: mine}).values(), key=lambda each: each.as_of)
    return [aged for fresher in versions for aged in _against(facts, fresher, versions)]


def _against(facts: Facts, fresher: RegisteredModel, versions: list[RegisteredModel]) -> Iterator[Aged]:
    mine = facts.registered
    older = [each for each in versions if each.as_of < fresher.as_of and mine in (each, fresher)]
    losses = _losses(facts, [fresher, *older], fresher.as_of) if older else []
    for each, loss in zip(older, losses[1:], strict=False):
        if loss.rows >= FEWEST_ROWS:
            months = _months(each.as_of, fresher.as_of)
            yield Aged(each.version, fresher.version, fresher.as_of, months, loss.value - losses[0].value, loss.rows)


def _losses(facts: Facts, models: list[RegisteredModel], month: dt.date) -> list[Loss]:
    """The task's loss of each model on the month, remembered for the scores of other versions."""
    known = facts.stores.losses
    if new := [each for each in models if (each.sha256, month) not in known]:
        rows = _labelled(facts, month)
        task = facts.declared.config.task
        label = task.outcomes(rows[facts.declared.config.labels.label])
        with threadpool_limits(1):  # on small matrices, threads that wait for each other cost more than they save
            for each in new:
                predicted = predict(facts.stores.model(each), rows)
                value = value_of(task.type.loss, label, predicted, task) if rows.height else 0.0
                known[each.sha256, month] = Loss(value, rows.height)
    return [known[each.sha256, month] for each in models]


def _labelled(facts: Facts, month: dt.date) -> pl.DataFrame:
    """Features of every third day of `month` with their labels, in the newest versions."""
    config, inputs = facts.declared.config, facts.model.inputs
    names = (inputs.features.table, inputs.labels.table)
    states = [facts.tables.states(name) for name in names]
    both = sorted(day for day in states[0].keys() & states[1].keys() if day.startswith(f"{month:%Y-%m}"))
    features, labels = (facts.evidence.tables.scan(name, partitions=both[::EVERY]) for name in names)
    keys = list(config.join_on)
    return features.join(labels.select(*keys, config.labels.label), on=keys, how="inner").collect()


def _months(older: dt.date, fresher: dt.date) -> int:
    return (fresher.year - older.year) * 12 + fresher.month - older.month
