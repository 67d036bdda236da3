"""The seven tests of monitoring.

Belongs here: what each demands, and of which evidence. Does not: looking evidence up (`score_facts`).
"""

import datetime as dt
from statistics import median

from ml_platform.data.checks import ROWS_MEET_THE_CONTRACT
from ml_platform.provenance.reproduce_process import compare_predictions
from ml_platform.provenance.reproduction import PublishedDays
from ml_platform.provenance.score import Finding
from ml_platform.provenance.score_facts import Days, Facts, seconds_of
from ml_platform.serving.predictions import validity_check
from ml_platform.serving.quality_asset import DAILY_QUALITY_IS_WITHIN_ITS_LIMITS
from ml_platform.training.records import TrainedModel
from ml_platform.training.training_run import record_of

NOT_SERVED = "the version has predicted nothing"
PREDICT = "in `make dev`, materialize the predictions of days that it answers for"


def dependency_changes_notify(facts: Facts) -> Finding:
    """Somebody is told when a dependency changes."""
    told = "alerts tell of what failed, is late or is degraded; a changed package or source only makes partitions stale"
    return Finding.unproven(told, "")


def data_invariants_hold(facts: Facts) -> Finding:
    """Contracts were checked on every day that was predicted, from the cleaned tables to the features."""
    upstream = facts.catalog.upstream([facts.features.name])
    checked = [each.name for each in upstream if each.kind in ("clean", "features") and each.by == "day"]
    wanted = [Days(name, None, facts.predicted_days) for name in checked]
    if not facts.predicted_days:
        return Finding.unproven(NOT_SERVED, PREDICT)
    remedy = f"in `make dev`, materialize these tables for {facts.predicted_days[0]} to {facts.predicted_days[-1]}"
    return facts.check(ROWS_MEET_THE_CONTRACT, wanted, remedy)


def training_and_serving_are_not_skewed(facts: Facts) -> Finding:
    """The first and the last predicted day, predicted again now from the recorded features, come out equal."""
    if facts.predicted is None:
        return Finding.unproven(NOT_SERVED, PREDICT)
    ends = {facts.predicted_days[0], facts.predicted_days[-1]}
    sampled = tuple(
        PublishedDays(features_version=each.features_version, days=days)
        for each in facts.predicted.published
        if (days := tuple(day for day in each.days if day in ends))
    )
    model = facts.stores.model(facts.registered)
    asked = facts.predicted.model_copy(update={"published": sampled})
    found = compare_predictions(facts.evidence.tables, asked, facts.registered, model)
    versions = ", ".join(str(each.features_version) for each in sampled)
    what = f"{found.rows_equal:,} of {found.rows:,} predictions of {' and '.join(sorted(ends))} come out equal again"
    proof = facts.proof(what, "measured", f"{facts.predicted.features_table} version {versions}")
    if found.rows and found.rows_equal == found.rows and not found.rows_surplus:
        return Finding.proven(proof)
    remedy = f"ml-platform reproduce {facts.registered.name} {facts.registered.version}"
    return Finding.unproven(f"probabilities differ by {found.largest_difference:.3g} at most", remedy, proof)


def models_are_not_too_stale(facts: Facts) -> Finding:
    """On the last day that it predicted, the version was younger than is declared."""
    if facts.predicted is None:
        return Finding.unproven(NOT_SERVED, PREDICT)
    age = (dt.date.fromisoformat(facts.predicted_days[-1]) - facts.model.as_of).days
    limit = facts.limits.champion_age_days
    what = f"{age} days old on {facts.predicted_days[-1]}, {limit} allowed"
    proof = facts.proof(what, "record", f"{facts.predicted.table} version {facts.predicted.version}")
    if age <= limit:
        return Finding.proven(proof)
    return Finding.unproven("it answers longer than is declared", "train and promote a fresher version", proof)


def models_are_numerically_stable(facts: Facts) -> Finding:
    """Every prediction that stands was checked to be a finite probability or number."""
    if facts.predicted is None:
        return Finding.unproven(NOT_SERVED, PREDICT)
    return facts.check(validity_check(facts.model.task), [facts.served], PREDICT)


def computing_performance_has_not_regressed(facts: Facts) -> Finding:
    """Training took about as long as it took for the versions before."""
    mine = facts.history.run(facts.origin.dagster_run_id)
    if mine is None or not seconds_of(mine):
        return Finding.unproven("the run that trained it is not in the history any more", "train it again")
    runs = [facts.history.run(run_id) for run_id in _trained_before(facts)]
    before = [seconds for run in runs if run and (seconds := seconds_of(run))]
    if not before:
        return Finding.unproven("no earlier version was trained that it could be compared with", "train another month")
    usual, limit = median(before), facts.limits.slowdown
    what = f"training took {seconds_of(mine):.0f} s, {usual:.0f} s in the median of {len(before)} versions before"
    proof = facts.proof(f"{what}, {limit:g} times that allowed", "run", f"{mine.run_id}", mine.ended_at)
    if seconds_of(mine) <= limit * usual:
        return Finding.proven(proof)
    return Finding.unproven("training has become slower than is declared", "look at the run's timeline", proof)


def prediction_quality_has_not_regressed(facts: Facts) -> Finding:
    """On every day that it predicted, quality was measured and within its limits."""
    if facts.deployment is None or not facts.predicted_days:
        return Finding.unproven(NOT_SERVED, PREDICT)
    table = facts.catalog.name(facts.deployment.quality.name)
    lacking = sorted({*facts.predicted_days} - {*facts.tables.states(table)})
    remedy = f"in `make dev`, materialize {table} for these days"
    if lacking:
        return Finding.unproven(f"the quality of {len(lacking)} days was not measured, first {lacking[0]}", remedy)
    return facts.check(DAILY_QUALITY_IS_WITHIN_ITS_LIMITS, [Days(table, None, facts.predicted_days)], remedy)


def _trained_before(facts: Facts) -> list[str]:
    """Runs that trained versions of lower number; those that found a finished training are not among them."""
    artifacts = facts.evidence.artifacts
    before = [
        each
        for each in facts.evidence.tracking.registry.versions(facts.registered.name)
        if each.version < facts.registered.version
    ]
    documents = [record_of(artifacts, each.uri, each.fingerprint) for each in before]
    models = [TrainedModel.model_validate_json(each) for each in documents if each]
    return [each.origin.dagster_run_id for each in models if each.origin]
