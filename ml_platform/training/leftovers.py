"""Objects that nothing can need any more: states of finished trainings, what runs long over left, unfinished writes.

Belongs here: finding them, and what pins of models and runs keep. Does not: deleting (`maintenance`), or data files.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import dagster as dg

from ml_platform.errors import RegistryUnreachableError, RetentionRefusedError
from ml_platform.storage.location import ROOT_RUN_TAG
from ml_platform.storage.objects import ObjectInfo, ObjectStore
from ml_platform.storage.retention import RetentionPolicy
from ml_platform.storage.step_outputs import STEP_OUTPUTS
from ml_platform.tracking.registry import ModelRegistry, RegisteredModel
from ml_platform.tracking.trainings import RESULT
from ml_platform.training.records import Inputs

PINS, TRAININGS, MODELS = "pins", "training", "models"
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

Pinned = dict[str, set[int]]
"""Versions that have to stay readable, by table."""


class RunPins(NamedTuple):
    """The pins of all runs: objects that can go, and what the others pin."""

    over: Sequence[ObjectInfo]
    pinned: Pinned


def training_states(artifacts: ObjectStore, policy: RetentionPolicy, now: datetime) -> list[ObjectInfo]:
    """Checkpoints, trial states and matrices of trainings that have their result; scores of trials stay.

    A training that has no result may be taken up again, so it keeps everything.
    """
    found = artifacts.list(TRAININGS)
    finished = {info.path.removesuffix(RESULT) for info in found if info.path.endswith(f"/{RESULT}")}
    untouched_since = now - timedelta(hours=policy.unfinished_hours)
    return [
        info
        for info in found
        if not info.path.endswith(".json") and info.modified_at < untouched_since and _training(info.path) in finished
    ]


def runs_at_work(instance: dg.DagsterInstance) -> frozenset[str]:
    """Ids of runs that are not over, and of those that they take up."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    taken_up = [(run.run_id, run.parent_run_id, run.tags.get(ROOT_RUN_TAG)) for run in runs]
    return frozenset(run_id for run_ids in taken_up for run_id in run_ids if run_id)


def run_pins(artifacts: ObjectStore, at_work: Collection[str], policy: RetentionPolicy, now: datetime) -> RunPins:
    """Which pins can go, and what the others pin.

    A run that is taken up from its failure reads the versions that the first attempt pinned.
    """
    over, others = _by_runs_over(artifacts, PINS, at_work, policy, now)
    pinned: Pinned = defaultdict(set)
    for info in others:
        pinned[info.path.split("/", 2)[2]].add(int(artifacts.read(info.path)))
    return RunPins(over, dict(pinned))


def step_outputs(
    artifacts: ObjectStore, at_work: Collection[str], policy: RetentionPolicy, now: datetime
) -> Sequence[ObjectInfo]:
    """What steps of runs long over handed to one another; on local files Dagster keeps that itself."""
    over, _ = _by_runs_over(artifacts, STEP_OUTPUTS, at_work, policy, now)
    return over


def _by_runs_over(
    artifacts: ObjectStore, prefix: str, at_work: Collection[str], policy: RetentionPolicy, now: datetime
) -> tuple[Sequence[ObjectInfo], Sequence[ObjectInfo]]:
    """Objects `<prefix>/<run>/...` of runs that are over and that nobody has touched for as long as a version is kept,
    and those of the others.
    """
    by_run: dict[str, list[ObjectInfo]] = defaultdict(list)
    for info in artifacts.list(prefix):
        by_run[info.path.split("/")[1]].append(info)
    untouched_since = now - timedelta(days=policy.keep_days)
    over: list[ObjectInfo] = []
    others: list[ObjectInfo] = []
    for run_id, infos in by_run.items():
        is_over = run_id not in at_work and all(info.modified_at < untouched_since for info in infos)
        (over if is_over else others).extend(infos)
    return over, others


def unfinished_writes(store: ObjectStore, policy: RetentionPolicy, now: datetime) -> list[ObjectInfo]:
    """Temporary files of writers that were killed; on S3 there are none."""
    untouched_since = now - timedelta(hours=policy.unfinished_hours)
    return [info for info in store.unfinished() if info.modified_at < untouched_since]


def pinned_by_models(registry: ModelRegistry, artifacts: ObjectStore) -> Pinned:
    """The versions that some registered model was made from.

    Raises:
        RetentionRefusedError: the registry cannot be read or is not the one of the models, or a model does not say it.
    """
    models = _registered(registry)
    if not models and (stored := artifacts.list(MODELS)):
        raise RetentionRefusedError(
            f"The registry knows no model, yet there are {len(stored)} below {artifacts.uri_of(MODELS)}.",
            kept="Nothing was deleted.",
            remedy="Set ML_PLATFORM_MLFLOW_TRACKING_URI to the store in which they are registered.",
        )
    results = {info.path.split("/")[-2]: info.path for info in artifacts.list(TRAININGS) if info.path.endswith(RESULT)}
    pinned: Pinned = defaultdict(set)
    for model in models:
        for table, version in (model.snapshot or _snapshot(model, results, artifacts)).items():
            pinned[table].add(version)
    return dict(pinned)


def together(several: Iterable[Pinned]) -> Pinned:
    """All that is pinned by any of `several`."""
    pinned: Pinned = defaultdict(set)
    for each in several:
        for table, versions in each.items():
            pinned[table] |= versions
    return dict(pinned)


def _registered(registry: ModelRegistry) -> list[RegisteredModel]:
    try:
        return [model for name in registry.names() for model in registry.versions(name)]
    except (RegistryUnreachableError, sqlite3.Error) as error:
        raise RetentionRefusedError(
            "What registered models were made from cannot be known, since the registry cannot be read.",
            got=error.what if isinstance(error, RegistryUnreachableError) else str(error),
            kept="Nothing was deleted.",
            remedy="Start it, or set ML_PLATFORM_MLFLOW_TRACKING_URI to the store in use.",
        ) from error


def _snapshot(model: RegisteredModel, results: Mapping[str, str], artifacts: ObjectStore) -> dict[str, int]:
    """What the training's own result says that the model was made from, where the registry does not say it."""
    if model.fingerprint not in results:
        raise RetentionRefusedError(
            f"Version {model.version} of model '{model.name}' does not say which versions of which tables it was made "
            "from.",
            expected="a snapshot in the registry, or the result of its training below the artifacts",
            got="neither",
            kept="Nothing was deleted.",
            remedy="Register it again with its snapshot, or delete that version from the registry.",
        )
    inputs = Inputs.model_validate(json.loads(artifacts.read(results[model.fingerprint]))["inputs"])
    return {each.table: each.version for each in (inputs.features, inputs.labels)}


def _training(path: str) -> str:
    """The prefix of the training that an object belongs to: `training/<use case>/<model>/<fingerprint>/`."""
    return "/".join(path.split("/")[:4]) + "/"
