"""The seven tests of machine-learning infrastructure.

Belongs here: what each demands, and of which evidence. Does not: looking evidence up (`score_facts`).
"""

from ml_platform.errors import PlatformError
from ml_platform.provenance.recorded_reproduction import read_reproductions
from ml_platform.provenance.score import Finding, Proof
from ml_platform.provenance.score_facts import RUN_TESTS, Facts
from ml_platform.provenance.trace import Trace
from ml_platform.provenance.trace_question import Question, answer

TESTS_OF_THE_PIPELINES = (
    "data/test_pipeline.py",
    "training/test_pipeline.py",
    "serving/test_component.py",
    "serving/test_predictions.py",
)


def training_is_reproducible(facts: Facts) -> Finding:
    """The version was made again, equal to the last bit: by a run of the platform, or by a person."""
    name, version = facts.registered.name, facts.registered.version
    records = read_reproductions(facts.evidence.artifacts, name, version)
    mine = [each for each in records if each.result.recorded_sha256 == facts.registered.sha256]
    if not mine:
        return Finding.unproven("it was not made again yet", f"ml-platform reproduce {name} {version}")
    found = mine[0]
    again = found.result.rebuilt.predictions
    told = f", and {again.rows_equal:,} of {again.rows:,} predictions" if again else ""
    by = f"of run {found.run_id}" if found.run_id else "of ml-platform reproduce"
    what = f"made again with the code of {found.result.code_from}: {'equal' if found.result.is_equal else 'NOT equal'}"
    proof = facts.proof(what + told, "record", by, found.at)
    if not found.result.is_equal:
        return Finding.unproven("it came out otherwise", f"ml-platform reproduce {name} {version}", proof)
    if found.run_id is None:
        job = f"reproduce_{facts.catalog.use_case.name}_{facts.declared.config.name}"
        return Finding.half(proof, missing="a person did it, not the platform", remedy=f"run {job} in `make dev`")
    return Finding.proven(proof)


def model_specs_are_tested(facts: Facts) -> Finding:
    """The tests of the code that trains passed."""
    return facts.tested("training", "ml_platform_tests/training/")


def the_pipeline_is_tested(facts: Facts) -> Finding:
    """The integration tests of all three pipelines passed, and the real ones ran through for this version."""
    runs = _runs(facts)
    tests = facts.tested("whole pipelines", *TESTS_OF_THE_PIPELINES)
    proofs = (*tests.proofs, *runs)
    if len(runs) < 3:
        return Finding.unproven(f"only {len(runs)} of the 3 pipelines ran for this version", "make demo", *proofs)
    if tests.points:
        return Finding.proven(*proofs)
    return Finding.half(*proofs, missing=f"of the integration tests: {tests.missing}", remedy=RUN_TESTS)


def quality_is_validated_before_serving(facts: Facts) -> Finding:
    """By the registry's log, the gate approved the version before it was promoted."""
    mine = [each for each in facts.log if each.version == facts.registered.version]
    promoted = next((each for each in mine if each.action == "promoted"), None)
    gate = [each for each in mine if each.action in ("gate_approved", "gate_refused")]
    if promoted is None:
        told = f"the version is not promoted: {facts.registered.gate_reason or facts.registered.gate}"
        return Finding.unproven(told, f"in `make dev`, materialize the champion of {facts.model.as_of}")
    before = [each for each in gate if each.sequence < promoted.sequence]
    if not before or before[-1].action != "gate_approved":
        return Finding.unproven("it was promoted without the gate", "roll it back")
    last = before[-1]
    what = f"the gate approved it ({last.reason}) before it was promoted by {promoted.by}"
    return Finding.proven(facts.proof(what, "registry", f"entries {last.sequence} and {promoted.sequence}", last.at))


def the_model_is_debuggable(facts: Facts) -> Finding:
    """One prediction, traced now, leads through every step to landing objects with their hashes."""
    if facts.predicted is None:
        return Finding.unproven("the version has predicted nothing that could be traced", "predict days with it")
    table, day = facts.predicted.table, facts.predicted_days[-1]
    keys = list(facts.catalog.tables[table].contract.primary_key())
    row = facts.evidence.tables.scan(table, partitions=[day]).select(keys).first().collect()
    values = {name: str(row[name].cast(str).item()) for name in keys}
    command = f"ml-platform trace {table} {day}"
    question = Question(table, day, row=values)
    try:
        trace = answer(question, facts.stores.settings, facts.evidence.instance, facts.stores.links())
    except PlatformError as error:
        return Finding.unproven(f"a prediction of {day} could not be traced: {error.what}", command)
    return _traced(facts, trace, command)


def models_are_canaried(facts: Facts) -> Finding:
    """Before it answers alone, a version answers for a part of the rows."""
    return Finding.unproven("the platform has no canary: a promoted version answers for all rows", "")


def serving_can_be_rolled_back(facts: Facts) -> Finding:
    """A rollback of this version, or to it, is in the log, and the tests of rollbacks passed."""
    done = [each for each in facts.log if each.action == "rolled_back"]
    tests = facts.tested("rollbacks", "rollback", "rolling_back", "rolled_back")
    rehearsed = [
        facts.proof(f"rolled back by {each.by}: {each.reason}", "registry", f"entry {each.sequence}", each.at)
        for each in done
    ]
    proofs = (*rehearsed[-1:], *tests.proofs)
    rehearse = f"ml-platform rollback {facts.registered.name} --reason rehearsal, then promote it again"
    if rehearsed and tests.points:
        return Finding.proven(*proofs)
    if tests.points:
        return Finding.half(*proofs, missing="no rollback of, or to, this version was rehearsed", remedy=rehearse)
    if rehearsed:
        return Finding.half(*proofs, missing=f"of its tests: {tests.missing}", remedy=RUN_TESTS)
    return Finding.unproven(f"it was not rehearsed, and of its tests {tests.missing}", f"{rehearse}; {RUN_TESTS}")


def _runs(facts: Facts) -> list[Proof]:
    """One finished run of each location for this version: features, training, predictions."""
    features = [group.run_id for group in facts.published(facts.snapshot[0])][-1:]
    predictions = [group.run_id for group in facts.published(facts.served)][-1:]
    run_ids = {
        "features computed": features[0] if features else None,
        "trained": facts.origin.dagster_run_id,
        "predicted": predictions[0] if predictions else None,
    }
    told = [facts.told(run_id, what) for what, run_id in run_ids.items() if run_id]
    return [each for each in told if each is not None]


def _traced(facts: Facts, trace: Trace, command: str) -> Finding:
    objects = [landed for step in trace.steps for landed in step.objects]
    tables = len({step.name for step in trace.steps})
    missing = [each for step in trace.steps for each in step.missing]
    what = f"one prediction leads through {tables} tables and records to {len(objects)} landing objects, by their hash"
    proof = facts.proof(what, "measured", command)
    if not objects:
        return Finding.unproven("its trace does not reach the landing objects", command, proof)
    if missing:
        return Finding.half(proof, missing=f"{len(missing)} times evidence is gone: {missing[0]}", remedy=command)
    return Finding.proven(proof)
