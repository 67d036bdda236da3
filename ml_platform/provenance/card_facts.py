"""The model card of a version, gathered from registry, records, tables and history; what is missing is named.

Belongs here: which fact is found where. Does not: the exclusions, which are counted (`card_data`), or the page.
"""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from ml_platform.contracts.columns import MASK, personal_columns
from ml_platform.lineage.environment import packages_behind
from ml_platform.provenance.card import (
    EnvironmentFact,
    FeatureFact,
    InputFact,
    LineageFact,
    ModelCard,
    StepFact,
    TrainingFact,
    Use,
    card_path,
)
from ml_platform.provenance.card_data import data_fact
from ml_platform.provenance.catalog import DeclaredModel, Table, declared_model
from ml_platform.provenance.contract_facts import column_facts
from ml_platform.provenance.evidence import Evidence, Gap, require_complete
from ml_platform.storage.io_managers import record_path
from ml_platform.tracking.registry import CHALLENGER, CHAMPION, RegisteredModel, RegistryEvent
from ml_platform.training.evaluation import Evaluation
from ml_platform.training.gate import GateDecision
from ml_platform.training.importance import Importance
from ml_platform.training.records import ModelEvaluation, ModelVersion, Origin, TableRead, TrainedModel
from ml_platform.training.slices import SliceScore
from ml_platform.training.training_run import record_of

Record = TypeVar("Record", bound=BaseModel)


class Judged(NamedTuple):
    """How a version was evaluated, and what the gate said."""

    holdout: Evaluation
    test: Evaluation | None
    importances: Sequence[Importance]
    gate: GateDecision


def model_card(evidence: Evidence, name: str, version: int) -> ModelCard:
    """The card of one registered version.

    Raises:
        ModelNotFoundError: no such model or version.
        CardIncompleteError: a field is missing; each is named with the place where it is filled in.
    """
    declared = declared_model(evidence.catalogs, name)
    registered = evidence.tracking.registry.get(name, version)
    stored = record_of(evidence.artifacts, registered.uri, registered.fingerprint)
    model = TrainedModel.model_validate_json(stored) if stored else None
    judged = judgement_of(evidence, declared, registered)
    features = declared.catalog.tables.get(declared.catalog.name(declared.config.features_table))
    gaps = [*_undeclared(declared, features, model), *_unrecorded(declared, registered, model, judged)]
    require_complete(f"The card of {name} version {version} (as of {registered.as_of})", gaps)
    assert model is not None, "it is among the gaps"
    assert model.origin is not None, "it is among the gaps"
    assert judged is not None, "it is among the gaps"
    assert features is not None, "it is among the gaps"
    lineage = _lineage(evidence, declared, registered, model, model.origin)
    log = tuple(event for event in evidence.tracking.registry.log(name) if event.version == version)
    use_case, config = declared.catalog.use_case, declared.config
    return ModelCard(
        name=name,
        version=version,
        as_of=registered.as_of,
        standing=_standing(registered),
        use_case=use_case.name,
        question=use_case.description,
        description=config.description,
        owners=tuple(use_case.owners),
        use=Use(**{field: getattr(config.card, field) for field in Use.model_fields}),
        data=data_fact(evidence.tables, declared, model, judged.test),
        training=_training(model, model.origin),
        holdout=_masked(judged.holdout, features),
        test=_masked(judged.test, features) if judged.test else None,
        gate=judged.gate,
        features=_features(model, features, judged, use_case.owners),
        lineage=lineage,
        environment=_environment(model.origin),
        log=log,
        up_to=_newest(lineage, log),
    )


def _newest(lineage: LineageFact, log: Sequence[RegistryEvent]) -> dt.datetime:
    told = [*(step.at for step in lineage.steps), *(each.committed_at for each in lineage.inputs)]
    return max((*(at for at in told if at is not None), *(event.at for event in log)), default=dt.datetime.now(dt.UTC))


def _undeclared(declared: DeclaredModel, features: Table | None, model: TrainedModel | None) -> list[Gap]:
    """What people have not filled in."""
    catalog, config = declared
    number = catalog.models.index(config)
    where = f"Fill in models[{number}].card in {catalog.file('training')}"
    gaps = [Gap(f"card.{field}", where) for field in Use.model_fields if not getattr(config.card, field)]
    if features is None:
        wanted = f"Declare the table {config.features_table} in {catalog.file('data')}"
        return [*gaps, Gap(f"contract of {config.features_table}", wanted)]
    described = {fact.name: fact for fact in column_facts(features.contract, catalog.use_case.owners)}
    for feature in model.features if model else ():
        where = f"Give the column a description and known_at in contract {features.contract.__name__}"
        if feature not in described:
            gaps.append(Gap(f"feature {feature}", f"{features.name} no longer has it; register a newer version"))
        else:
            fact = described[feature]
            told = {"description": fact.description, "known_at": fact.known_at}
            gaps += [Gap(f"feature {feature}.{field}", where) for field, text in told.items() if not text]
    labels = catalog.tables.get(catalog.name(config.labels_table))
    if labels is not None and labels.kind == "derived" and not labels.leaves_out:
        gaps.append(Gap(f"{config.labels_table}.leaves_out", f"Fill it in in {catalog.file('data')}"))
    return gaps


def _unrecorded(
    declared: DeclaredModel, registered: RegisteredModel, model: TrainedModel | None, judged: Judged | None
) -> list[Gap]:
    """What no run has recorded."""
    prefix = declared.catalog.name(declared.config.name)
    again = f"Materialize {prefix}_model, then what follows, for {registered.as_of}; it makes a new version"
    gaps = []
    if model is None:
        gaps.append(Gap("record of the model", again))
    elif model.origin is None:
        gaps.append(Gap("origin (code, environment and configuration that made it)", again))
    if judged is None:
        remedy = f"Materialize {prefix}_evaluation and {prefix}_model_version for {registered.as_of}"
        told = "these judge the month's newest model, so the card of an older version has to be written in its time"
        return [*gaps, Gap("evaluation", f"{remedy}; {told}")]
    again = f"Materialize {prefix}_evaluation for {registered.as_of} again"
    if not judged.importances:
        gaps.append(Gap("importance of the features", again))
    for evaluation in filter(None, (judged.holdout, judged.test)):
        if not evaluation.calibration:
            gaps.append(Gap(f"calibration on {evaluation.window}", again))
        if not all(_has_intervals(piece) for piece in evaluation.slices):
            gaps.append(Gap(f"intervals of the slices of {evaluation.window}", again))
    return gaps


def _has_intervals(piece: SliceScore) -> bool:
    return piece.intervals.keys() == {metric for metric, value in piece.metrics.items() if value is not None}


def judgement_of(evidence: Evidence, declared: DeclaredModel, registered: RegisteredModel) -> Judged | None:
    """From the records of the month while they are of this version, then from the card that was kept."""
    prefix, month = declared.catalog.name(declared.config.name), registered.as_of.isoformat()
    report = _record(evidence, record_path(f"{prefix}_evaluation", month), ModelEvaluation)
    version = _record(evidence, record_path(f"{prefix}_model_version", month), ModelVersion)
    if (
        report
        and version
        and report.model_sha256 == registered.sha256
        and version.fingerprint == registered.fingerprint
    ):
        return Judged(report.holdout, report.test, report.importances, version.decision)
    kept = _record(evidence, card_path(registered.name, registered.version, "json"), ModelCard)
    if kept is None or kept.lineage.fingerprint != registered.fingerprint:
        return None
    importances = [
        Importance(feature=each.column.name, loss_increase=each.loss_increase)
        for each in kept.features
        if each.loss_increase is not None
    ]
    return Judged(kept.holdout, kept.test, importances, kept.gate)


def _record(evidence: Evidence, path: str, kind: type[Record]) -> Record | None:
    """None where there is none, or one of another form, which an older platform wrote."""
    try:
        return kind.model_validate_json(evidence.artifacts.read(path))
    except (FileNotFoundError, ValidationError):
        return None


def _standing(registered: RegisteredModel) -> str:
    if registered.rolled_back:
        return f"rolled back: {registered.rolled_back}"
    if CHAMPION in registered.aliases:
        return "champion"
    if registered.is_promoted:
        return f"promoted, answers from {registered.as_of} until a later champion"
    told = f"gate: {registered.gate}"
    return f"challenger, {told}" if CHALLENGER in registered.aliases else told


def _training(model: TrainedModel, origin: Origin) -> TrainingFact:
    return TrainingFact(
        trainer=model.trainer,
        parameters=model.parameters,
        iterations=model.iterations,
        seed=origin.config.seed,
        trials=len({trial.number for trial in model.trials}),
    )


def _features(model: TrainedModel, table: Table, judged: Judged, owners: Sequence[str]) -> tuple[FeatureFact, ...]:
    columns = {fact.name: fact for fact in column_facts(table.contract, owners)}
    increase = {each.feature: each.loss_increase for each in judged.importances}
    facts = [FeatureFact(column=columns[name], loss_increase=increase.get(name)) for name in model.features]
    return tuple(sorted(facts, key=lambda fact: -(fact.loss_increase or 0.0)))


def _masked(evaluation: Evaluation, table: Table) -> Evaluation:
    hidden = personal_columns(table.contract)
    pieces = [
        piece.model_copy(update={"value": MASK}) if piece.column in hidden else piece for piece in evaluation.slices
    ]
    return evaluation.model_copy(update={"slices": tuple(pieces)})


def _lineage(
    evidence: Evidence, declared: DeclaredModel, registered: RegisteredModel, model: TrainedModel, origin: Origin
) -> LineageFact:
    prefix, month = declared.catalog.name(declared.config.name), registered.as_of.isoformat()
    assets = [f"{prefix}_model", f"{prefix}_evaluation", f"{prefix}_model_version"]
    if declared.catalog.deployment is not None:
        assets.append(declared.catalog.name(declared.catalog.deployment.champion.name))
    return LineageFact(
        fingerprint=registered.fingerprint,
        sha256=registered.sha256,
        uri=registered.uri,
        mlflow_run_id=registered.run_id,
        checkout=origin.checkout,
        inputs=tuple(_input(evidence, read) for read in (model.inputs.features, model.inputs.labels)),
        steps=tuple(_step(evidence, asset, month) for asset in assets),
    )


def _input(evidence: Evidence, read: TableRead) -> InputFact:
    commit = next((each for each in evidence.tables.history(read.table) if each.version == read.version), None)
    at, run_id = (commit.committed_at, commit.metadata.get("run_id")) if commit else (None, None)
    return InputFact(read=read, committed_at=at, run_id=run_id)


def _step(evidence: Evidence, asset: str, month: str) -> StepFact:
    made = next(iter(evidence.history.made(asset, [month])), None)
    if made is None:
        return StepFact(asset=asset, partition=month, run_id=None, at=None, code_version=None)
    return StepFact(asset=asset, partition=month, run_id=made.run_id, at=made.at, code_version=made.code_version)


def _environment(origin: Origin) -> EnvironmentFact:
    used = {name: version for name, version in origin.environment.packages.items() if name in origin.packages}
    return EnvironmentFact(
        python=origin.environment.python,
        machine=origin.environment.machine,
        packages=used or packages_behind(origin.packages),
        installed=len(origin.environment.packages),
    )
