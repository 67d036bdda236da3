"""`ml-platform reproduce`: a registered version made again in a new process, and compared with what was registered.

Belongs here: what is made, by which code and where. Does not: the making (`reproduce_process`, `training`) or comparing
(`reproduce_differences`). Nothing is written but a temporary folder: no table, no registry, no artifact.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from ml_platform.errors import ReproductionError
from ml_platform.lineage.checkout import Checkout, git, this_checkout
from ml_platform.lineage.environment import this_environment
from ml_platform.provenance.catalog import Catalog
from ml_platform.provenance.reproduce_differences import (
    code_differences,
    config_differences,
    environment_differences,
    input_differences,
    install_command,
    is_decisive,
    result_differences,
)
from ml_platform.provenance.reproduction import Answer, Order, Predicted, PublishedDays, Reproduction
from ml_platform.serving.component import Deployment
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform.storage.commit_log import logged_versions, read_entries
from ml_platform.storage.history import store_of
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.registry import RegisteredModel
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.training.config import ModelConfig
from ml_platform.training.records import Origin, TrainedModel
from ml_platform.training.training_run import record_of

PROCESS = "ml_platform.provenance.reproduce_process"
READ_VERSIONS = "read_versions"
CodeChoice = Literal["recorded", "current"]


class Code(NamedTuple):
    """The folder whose code makes the model, and in words where it is from."""

    root: Path
    told: str


class Recorded(NamedTuple):
    """The record of a version, as it was written and as it reads."""

    document: bytes
    model: TrainedModel
    origin: Origin


class Declared(NamedTuple):
    """What defs.yaml says of the model now: its configuration, and the deployment that predicts with it."""

    model: ModelConfig | None
    deployment: Deployment | None

    @classmethod
    def of(cls, catalogs: Sequence[Catalog], registered_as: str) -> "Declared":
        """What the use cases say of the model; nothing where no use case has it any more."""
        models = (each.model(registered_as) for each in catalogs)
        deployments = (each.deployment for each in catalogs if each.deployment)
        return cls(
            next((model for model in models if model), None),
            next((each for each in deployments if each.champion.registered_model == registered_as), None),
        )


def reproduce(
    settings: Settings,
    name: str,
    version: int,
    *,
    declared: Declared,
    code: CodeChoice = "recorded",
    tell: Callable[[str], None] = lambda _: None,
) -> Reproduction:
    """The comparison of a version with itself, made again from its snapshot, configuration and seed.

    Args:
        declared: With a deployment, every prediction that stands from this version is made again as well.
        code: The code of the recorded commit, or the code as it is now whatever the commit was.
        tell: Told of each stage before it begins.

    Raises:
        ModelNotFoundError: no such version.
        ReproductionError: it cannot be made again at all; told is what is missing.
    """
    location = StorageLocation.of(settings)
    registered = MlflowTracking.from_settings(settings).registry.get(name, version)
    recorded = _recorded(location, registered)
    model, origin = recorded.model, recorded.origin
    tables = location.tables()
    around = [
        *environment_differences(origin.environment, this_environment()),
        *config_differences(origin.config, declared.model),
        *input_differences(tables, model),
    ]
    deployment = declared.deployment
    predicted = find_predictions(tables, origin.use_case, deployment, registered) if deployment else None
    with tempfile.TemporaryDirectory(prefix="ml-platform-reproduce-") as folder, code_of(origin, code) as chosen:
        tell(f"Making {name} {version} again from {_told(model.snapshot)}, with the code of {chosen.told}")
        answer = _made(Path(folder), chosen, settings, recorded, registered, predicted)
    around = [*around, *code_differences(origin.code, answer.code)]
    results = tuple(result_differences(model, answer))
    return Reproduction(
        name=name,
        version=version,
        as_of=model.as_of,
        is_equal=not [each for each in results if each.aspect != "search"],
        snapshot=model.snapshot,
        code_from=chosen.told,
        recorded_sha256=model.sha256,
        rebuilt=answer,
        circumstances=tuple(around),
        results=results,
        remedy=install_command([each for each in around if is_decisive(each, origin)]),
    )


def find_predictions(
    tables: TableStore, use_case: str, deployment: Deployment, registered: RegisteredModel
) -> Predicted | None:
    """The days that stand as this version predicted them, by the version of the features; None if it has none."""
    table, features = (f"{use_case}/{each}" for each in (deployment.predictions.name, deployment.predictions.features))
    newest = tables.version(table)
    if newest is None:
        return None
    column = deployment.predictions.partition_column
    rows = tables.scan(table, version=newest).filter(model_version=registered.version)
    days = {str(day) for day in rows.select(column).unique().collect()[column]}
    by_version: dict[int, list[str]] = {}
    for day, version in _features_versions(tables, table, newest, features, days).items():
        by_version.setdefault(version, []).append(day)
    published = tuple(PublishedDays(features_version=v, days=tuple(sorted(d))) for v, d in sorted(by_version.items()))
    return Predicted(table=table, version=newest, features_table=features, day_column=column, published=published)


@contextmanager
def code_of(origin: Origin, choice: CodeChoice, root: Path = PROJECT_ROOT) -> Iterator[Code]:
    """A folder with the code of the recorded commit: this one if it is just that, otherwise a copy out of git."""
    recorded, here = origin.checkout, this_checkout(root)
    if choice == "current" or (recorded == here and here.is_clean):
        yield Code(root, f"this checkout, {here}")
    elif problem := _why_not(recorded, root):
        yield Code(root, f"this checkout, {here}: {problem}")
    else:
        with tempfile.TemporaryDirectory(prefix="ml-platform-code-") as folder:
            archive, copy = Path(folder) / "code.tar", Path(folder) / "code"
            git(root, "archive", "--format=tar", f"--output={archive}", str(recorded.commit))
            with tarfile.open(archive) as packed:
                packed.extractall(copy, filter="data")
            yield Code(copy, f"a clean copy of the recorded commit {recorded}")


def _why_not(recorded: Checkout, root: Path) -> str:
    """Why the recorded code cannot be had from git; empty if it can."""
    if recorded.commit is None:
        return "the recorded commit is unknown, since the code was installed without git"
    if not recorded.is_clean:
        return f"the recorded one was {recorded}, which git does not have"
    if git(root, "cat-file", "-e", f"{recorded.commit}^{{commit}}") is None:
        return f"the recorded commit {recorded} is not in this clone; `git fetch` may bring it"
    return ""


def _recorded(location: StorageLocation, registered: RegisteredModel) -> Recorded:
    """The record of a version.

    Raises:
        ReproductionError: there is none, or it does not say what the model was made from.
    """
    document = record_of(location.artifacts(), registered.uri, registered.fingerprint)
    model = document and TrainedModel.model_validate_json(document)
    if document and model and model.origin is not None:
        return Recorded(document, model, model.origin)
    raise ReproductionError(
        f"{registered.name} {registered.version} cannot be made again",
        expected=f"a record of fingerprint {registered.fingerprint[:12]} with its configuration, code and packages",
        got="no record" if document is None else "a record without these",
        kept="Nothing was changed",
        remedy=f"Materialize the model for {registered.as_of} again, and reproduce the version that comes of it",
    )


def _made(
    folder: Path,
    code: Code,
    settings: Settings,
    recorded: Recorded,
    registered: RegisteredModel,
    predicted: Predicted | None,
) -> Answer:
    """What the new process answers, in the folder of its code.

    Raises:
        ReproductionError: it ended without an answer.
    """
    record, order, answer = (folder / name for name in ("record.json", "order.json", "answer.json"))
    record.write_bytes(recorded.document)
    ordered = Order(
        data_uri=settings.data_uri,
        scratch_uri=f"file://{folder}/scratch",
        record=str(record),
        registered=registered,
        predicted=predicted,
        answer=str(answer),
    )
    order.write_text(ordered.model_dump_json())
    command = [sys.executable, "-m", PROCESS, str(order)]
    done = subprocess.run(command, cwd=code.root, capture_output=True, text=True, check=False)
    if answer.is_file():
        return Answer.model_validate_json(answer.read_bytes())
    raise ReproductionError(
        f"The process that was to make {registered.name} {registered.version} again, with the code of {code.told}, "
        f"ended with code {done.returncode} and no answer",
        got=(done.stderr.strip().splitlines() or ["nothing on stderr"])[-1],
        kept="No table, registry entry or artifact was touched",
        remedy="Restore data files that are gone from a backup; if it is the code of that commit that cannot do this, "
        "`--code current` runs the code as it is now",
    )


def _features_versions(tables: TableStore, table: str, newest: int, features: str, days: set[str]) -> Mapping[str, int]:
    """For each day, the version of the features that its present content was predicted from, as the commit says.

    Where no commit says so, the newest version.
    """
    states = tables.partitions(table, newest)
    wanted = {(day, states[day].content_hash) for day in days}
    found: dict[str, int] = {}
    store = store_of(tables, table)
    for entry in read_entries(store, sorted(logged_versions(store.list()), reverse=True)):
        version = _read_version(entry.metadata, features)
        made = {(day, file.content_hash) for day, file in entry.added.values()} & wanted
        found |= {day: version for day, _ in made if version is not None and day not in found}
    return {day: found.get(day, tables.version(features) or 0) for day in sorted(days)}


def _read_version(metadata: Mapping[str, str], table: str) -> int | None:
    version = json.loads(metadata.get(READ_VERSIONS, "{}")).get(table)
    return None if version is None else int(version)


def _told(snapshot: Mapping[str, int]) -> str:
    return " and ".join(f"{table} version {version}" for table, version in snapshot.items())
