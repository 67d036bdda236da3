"""The seven tests of features and data.

Belongs here: what each demands, and of which evidence. Does not: looking evidence up (`score_facts`).
"""

from ml_platform.contracts.columns import personal_columns
from ml_platform.data.checks import ROWS_MEET_THE_CONTRACT
from ml_platform.data.features import FEATURES_USE_ONLY_WHAT_WAS_KNOWN
from ml_platform.point_in_time.known_at import declared_knowledge
from ml_platform.provenance.score import Finding
from ml_platform.provenance.score_facts import RUN_TESTS, Facts, seconds_of

SECONDS_AN_HOUR = 3600


def expectations_are_a_schema(facts: Facts) -> Finding:
    """The contract was checked on every day of the snapshot."""
    columns = len(facts.features.contract.columns())
    found = facts.check(ROWS_MEET_THE_CONTRACT, facts.snapshot, _again(facts))
    contract = facts.proof(f"{columns} columns with types and rules", "contract", facts.features.contract.__name__)
    return found.model_copy(update={"proofs": (contract, *found.proofs)})


def all_features_are_beneficial(facts: Facts) -> Finding:
    """Shuffling each feature makes the model worse."""
    importances = facts.judged.importances if facts.judged else ()
    if not importances:
        return Finding.unproven("permutation importance was not recorded", _evaluate(facts))
    idle = [each.feature for each in importances if each.loss_increase <= 0]
    best = max(importances, key=lambda each: each.loss_increase)
    what = f"{len(importances) - len(idle)} of {len(importances)} features lower the loss, most '{best.feature}'"
    proof = facts.recorded(f"permutation importance on the holdout: {what}", "evaluation")
    if not idle:
        return Finding.proven(proof)
    remedy = f"list them as not_features in {facts.catalog.file('training')}, and train again"
    return Finding.unproven(f"no gain from {len(idle)} features: {', '.join(idle)}", remedy, proof)


def no_feature_costs_too_much(facts: Facts) -> Finding:
    """The recorded steps stayed within the declared seconds a day."""
    steps = facts.feature_steps
    if not steps:
        return Finding.unproven("the runs that computed the snapshot are not in the history any more", _again(facts))
    seconds, days = sum(each.seconds for each in steps), sum(each.days for each in steps)
    limit = facts.limits.feature_seconds_a_day
    what = f"{seconds / days:.3f} s a day for all features, {limit:g} s allowed"
    proof = facts.proof(what, "run", f"{steps[-1].group.run_id}", steps[-1].group.commit.committed_at)
    if seconds / days <= limit:
        return Finding.proven(proof)
    return Finding.unproven("features cost more than is declared", "make them cheaper, or raise the limit", proof)


def features_adhere_to_meta_requirements(facts: Facts) -> Finding:
    """Every feature declares when it is known, and the audit found none that sees the future."""
    known = declared_knowledge(facts.features.contract)
    if undeclared := [name for name in facts.model.features if name not in known]:
        return Finding.unproven(f"nobody declares when {', '.join(undeclared)} is known", "declare known_at")
    return facts.check(FEATURES_USE_ONLY_WHAT_WAS_KNOWN, facts.snapshot[:1], _again(facts))


def privacy_is_controlled(facts: Facts) -> Finding:
    """No feature is a personal column, and the tests that personal values show nowhere passed."""
    personal = personal_columns(facts.features.contract)
    if used := sorted({*facts.model.features} & {*personal}):
        remedy = "take them out of the features"
        return Finding.unproven(f"features lead to a person: {', '.join(used)}", remedy)
    upstream = facts.catalog.upstream([facts.features.name])
    tagged = [f"{each.name}.{column}" for each in upstream for column in personal_columns(each.contract)]
    what = f"none of {len(facts.model.features)} features is personal; upstream, {', '.join(tagged) or 'no column'} is"
    proof = facts.proof(what, "contract", facts.features.contract.__name__)
    tests = facts.tested("masking personal values", "data/test_personal.py")
    if tests.points:
        return Finding.proven(proof, *tests.proofs)
    return Finding.half(proof, missing=f"that values are masked: {tests.missing}", remedy=RUN_TESTS)


def new_features_are_quick(facts: Facts) -> Finding:
    """All features of the snapshot, and the training, took less than the declared hours."""
    steps, training = facts.feature_steps, facts.history.run(facts.origin.dagster_run_id)
    if not steps or training is None or not seconds_of(training):
        return Finding.unproven("the runs that computed the snapshot or trained are not in the history", _again(facts))
    hours = (sum(each.seconds for each in steps) + seconds_of(training)) / SECONDS_AN_HOUR
    limit = facts.limits.hours_to_a_new_feature
    what = f"{sum(each.days for each in steps)} days of features and the training took {hours:.2f} h, {limit:g} allowed"
    proof = facts.proof(what, "run", f"{training.run_id}", training.ended_at)
    if hours <= limit:
        return Finding.proven(proof)
    return Finding.unproven("a new feature takes longer than is declared", "make the path shorter", proof)


def feature_code_is_tested(facts: Facts) -> Finding:
    """Its tests passed on this code, and this code is what computed the snapshot."""
    tests = facts.tested("feature code", "use_cases/")
    if not tests.points:
        return tests
    table, days = facts.features.name, facts.snapshot[0]
    now = facts.stores.links().code_version(table)
    groups = facts.published(days)
    made = {(each.run_id, each.partition): each for each in facts.history.made(table, [g.keys[0] for g in groups])}
    versions = {found.code_version for g in groups if (found := made.get((g.run_id or "", g.keys[0])))}
    if versions == {now}:
        return tests
    return Finding.unproven("the snapshot was computed by other code than was tested", _again(facts), *tests.proofs)


def _again(facts: Facts) -> str:
    last = facts.snapshot[0].keys[-1] if facts.snapshot[0].keys else "its days"
    return f"in `make dev`, materialize {facts.features.name} up to {last}, then train {facts.model.as_of} again"


def _evaluate(facts: Facts) -> str:
    name = facts.catalog.name(facts.declared.config.name)
    return f"in `make dev`, materialize {name}_evaluation for {facts.model.as_of}"
