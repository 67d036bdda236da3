"""The seven tests of model development.

Belongs here: what each demands, and of which evidence. Does not: looking evidence up (`score_facts`).
"""

import polars as pl

from ml_platform.contracts.columns import personal_columns
from ml_platform.provenance.score import Finding, Proof
from ml_platform.provenance.score_facts import Facts
from ml_platform.provenance.score_staleness import Aged, scores_by_age
from ml_platform.serving.quality import overall
from ml_platform.training.gate import CheckName
from ml_platform.training.plots import words

CHANCE = 0.5
FEWEST_DAYS = 7


def specs_are_reviewed(facts: Facts) -> Finding:
    """The code is a commit, and a person approved the version."""
    checkout, name, version = facts.origin.checkout, facts.registered.name, facts.registered.version
    if checkout.commit is None or not checkout.is_clean:
        told = "the code that made it was no commit, so nobody can have reviewed it"
        return Finding.unproven(f"{told}: {checkout}", f"commit, and train {facts.model.as_of} again")
    commit = facts.recorded(f"made by the code of commit {checkout}, without changes", "model")
    approved = [each for each in facts.log if each.action == "approved" and each.version == version]
    if not approved:
        remedy = f"ml-platform approve {name} {version} --reason ..."
        return Finding.half(commit, missing="no person has approved the version", remedy=remedy)
    last = approved[-1]
    said = facts.proof(f"approved by {last.by}: {last.reason}", "registry", f"entry {last.sequence}", last.at)
    return Finding.proven(commit, said)


def offline_and_online_metrics_correlate(facts: Facts) -> Finding:
    """What was served is as good as offline, and better than the baselines as the gate had found on the holdout."""
    judged = facts.judged
    offline = judged.test if judged else None
    if judged is None or offline is None:
        return Finding.unproven("the as-of month was not evaluated offline", _evaluate(facts))
    if facts.deployment is None or not facts.predicted_days:
        return Finding.unproven("the version has predicted nothing", "predict days with it")
    table = facts.catalog.name(facts.deployment.quality.name)
    served = facts.evidence.tables.scan(table, partitions=facts.predicted_days)
    mine = served.filter((pl.col("model_version") == facts.registered.version) & (pl.col("rows_labelled") > 0))
    quality = mine.collect()
    if quality.height < FEWEST_DAYS:
        told = f"only {quality.height} served days have labels, {FEWEST_DAYS} are needed"
        return Finding.unproven(told, f"in `make dev`, materialize {table} once labels are there")
    loss = offline.task.type.loss
    online, interval = overall(quality, offline.task)[loss], offline.metrics[loss]
    what = f"{words(loss)} {online:.4f} on {quality.height} served days, {interval} offline on the as-of month"
    newest = facts.evidence.tables.version(table)
    proof = facts.proof(what, "measured", f"{table} version {newest}")
    gain = [min(each.advantage[loss].value for each in e.baselines) for e in (judged.holdout, offline)]
    told = f"{words(loss)} better than the best baseline by {gain[0]:.3f} on the holdout, by {gain[1]:.3f} once served"
    proofs = (proof, facts.recorded(told, "evaluation"))
    if interval.low <= online <= interval.high and min(gain) > 0:
        return Finding.proven(*proofs)
    return Finding.unproven("what was served is not what was found offline", "look at what differs", *proofs)


def hyperparameters_are_tuned(facts: Facts) -> Finding:
    """Several settings of every declared parameter were tried on the validation window."""
    settings = {str(each.parameters) for each in facts.model.trials if each.validation_loss is not None}
    if len(settings) < 2:
        remedy = f"declare search.trials in {facts.catalog.file('training')}, and train again"
        return Finding.unproven(f"{len(settings)} setting was tried", remedy)
    tuned = ", ".join(facts.origin.config.search.parameters)
    best = min(each.validation_loss for each in facts.model.trials if each.validation_loss is not None)
    loss = words(facts.model.task.type.loss)
    what = f"{len(settings)} settings of {tuned} tried, the best with {loss} {best:.4f} on the validation window"
    return Finding.proven(facts.recorded(what, "model"))


def staleness_is_known(facts: Facts) -> Finding:
    """What older versions lose against fresher ones on the same rows is measured."""
    aged = scores_by_age(facts)
    if not aged:
        told = "no month with labels has been predicted by both this version and an older or fresher one"
        return Finding.unproven(told, "train another as-of month")
    return Finding.proven(*(_loss(facts, each) for each in aged))


def no_simpler_model_is_better(facts: Facts) -> Finding:
    """Every declared baseline is worse, with its whole interval."""
    return _gate_said(facts, "model_beats_baselines")


def quality_is_sufficient_on_slices(facts: Facts) -> Finding:
    """No slice is worse than with the champion, and on none is the model as bad as chance."""
    found = _gate_said(facts, "challenger_is_not_worse_on_any_slice")
    slices = facts.judged.holdout.slices if facts.judged else ()
    if not found.points or not slices:
        return found if slices else Finding.unproven("no slices were evaluated", _evaluate(facts), *found.proofs)
    if "roc_auc_score" not in facts.model.task.type.metrics:
        return found  # a value has no chance level to hold slices against; the baselines are the gate's question
    scored = [(each, value) for each in slices if (value := each.metrics.get("roc_auc_score")) is not None]
    worst, lowest = min(scored, key=lambda each: each[1])
    what = f"ROC AUC of {len(scored)} slices, the lowest {lowest:.3f} for {worst.column} {worst.value}"
    proofs = (*found.proofs, facts.recorded(what, "evaluation"))
    if lowest > CHANCE:
        return Finding.proven(*proofs)
    return Finding.unproven(f"{worst.column} {worst.value} is not better than chance", "train for it", *proofs)


def inclusion_is_considered(facts: Facts) -> Finding:
    """No feature and no slice is an attribute of a person, and every group that rows fall into was looked at."""
    personal, slices = personal_columns(facts.features.contract), facts.judged.holdout.slices if facts.judged else ()
    used = sorted({*personal} & {*facts.model.features, *(each.column for each in slices)})
    if used:
        return Finding.unproven(f"attributes of persons decide: {', '.join(used)}", "take them out")
    if not slices:
        return Finding.unproven("no groups were evaluated", _evaluate(facts))
    columns = dict.fromkeys(each.column for each in slices)
    told = [
        f"{column}: predicted {min(gaps):+.3f} to {max(gaps):+.3f} against what happened"
        for column in columns
        if (gaps := [each.mean_predicted - each.mean_observed for each in slices if each.column == column])
    ]
    nobody = f"none of {len(facts.model.features)} features is an attribute of a person"
    contract = facts.proof(nobody, "contract", facts.features.contract.__name__)
    return Finding.proven(contract, facts.recorded("; ".join(told), "evaluation"))


def _gate_said(facts: Facts, check: CheckName) -> Finding:
    reasons = facts.judged.gate.reasons if facts.judged else ()
    reason = next((each for each in reasons if each.check == check), None)
    if reason is None:
        return Finding.unproven(f"'{check}' was not executed for this version", _evaluate(facts))
    proof = facts.recorded(f"'{check}': {reason.detail}", "model_version")
    if reason.passed:
        return Finding.proven(proof)
    return Finding.unproven(f"'{check}' did not pass", "train a better version", proof)


def _loss(facts: Facts, aged: Aged) -> Proof:
    loss = words(facts.model.task.type.loss)
    what = (
        f"version {aged.older} on {aged.month:%Y-%m}, {aged.months} month(s) old: {loss} {aged.loss:+.4f} against "
        f"version {aged.fresher}, on {aged.rows:,} rows"
    )
    return facts.proof(what, "measured", f"versions {aged.older} and {aged.fresher}")


def _evaluate(facts: Facts) -> str:
    prefix = facts.catalog.name(facts.declared.config.name)
    return f"in `make dev`, materialize {prefix}_evaluation and {prefix}_model_version for {facts.model.as_of}"
