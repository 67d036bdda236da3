"""The rungs of the model ladder: a version or a baseline that is ready to answer, in a run and in the online service.

Belongs here: loading a rung, what makes it unusable, and its probabilities. Does not: in which order rungs are tried
(`ladder`, `online`), or what is told of it. No Dagster here.
"""

import math
from collections.abc import Callable, Sequence
from typing import Generic, Literal, NamedTuple, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from ml_platform.errors import (
    DefinitionError,
    ModelUnusableError,
    ObjectCorruptError,
    RegistryLogTamperedError,
    StorageUnreachableError,
)
from ml_platform.evaluation.baseline import Baseline
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.serving.answers import invalid_rows
from ml_platform.serving.scoring import ModelRung
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.few_rows import FewRows, as_frame
from ml_platform.tracking.models import TabularModel, loads, predict
from ml_platform.tracking.registry import RegisteredModel
from ml_platform.tracking.registry_log import RegistryLog
from ml_platform.tracking.standing import Standing
from ml_platform.tracking.trainings import result_path

RAISED = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    pl.exceptions.PolarsError,
)
"""What the code of a library raises over a model that it does not understand."""
_LONGEST_QUOTE = 200

AnyRung = ModelRung | Literal["challenger"]
"""The rungs of a ladder, and a version that is tried on requests before it is on any."""
Rung = TypeVar("Rung", bound=AnyRung)
Rung_co = TypeVar("Rung_co", bound=AnyRung, covariant=True)
Result = TypeVar("Result")
Features = pl.DataFrame | FewRows
Predict = Callable[[Features], NDArray[np.float64]]


class Answerer(NamedTuple, Generic[Rung_co]):
    """A rung that is ready: what predicts, by which columns, and the version it is, or came with.

    `seconds_alone` of a processor is what it takes to predict one row, if that was tried.
    """

    rung: Rung_co
    version: RegisteredModel
    columns: Sequence[str]
    predict: Predict
    seconds_alone: float = math.inf

    def __str__(self) -> str:
        """As a reader knows it."""
        return rung_name(self.rung, self.version)


class _Fitted(BaseModel):
    """Of the record of a training, the baselines."""

    baselines: tuple[Baseline, ...]


def answerer_of(rung: Rung, version: RegisteredModel, model: TabularModel) -> Answerer[Rung]:
    """A loaded version on a rung."""
    return Answerer(rung, version, model.features, lambda rows: predict(model, rows))


def answerer_of_baseline(baseline: Baseline, champion: RegisteredModel) -> Answerer[Literal["baseline"]]:
    """The baseline that came with a champion, on its rung."""
    return Answerer("baseline", champion, baseline.columns, lambda rows: baseline.predict(as_frame(rows)))


def predicted_by(answerer: Answerer[AnyRung], rows: Features, task: Task = BINARY) -> NDArray[np.float64]:
    """One prediction of the task for each row.

    Raises:
        ModelUnusableError: the rung raised, or gave something else.
    """
    predicted = usable(str(answerer), lambda: answerer.predict(rows))
    wrong = invalid_rows(predicted, task)
    if wrong or len(predicted) != rows.height:
        kind = "probabilities" if task.kind == "binary" else f"{task.kind} predictions"
        raise ModelUnusableError(
            f"{answerer} gave {wrong} values that are no {kind}, {len(predicted)} for {rows.height} rows"
        )
    return predicted


def last_known_good_of(champion: RegisteredModel, artifacts: ObjectStore) -> RegisteredModel:
    """The version that would answer without the champion: promoted, neither rolled back nor rejected.

    Raises:
        ModelUnusableError: there is none, or the log of the registry cannot be trusted.
    """
    log = RegistryLog(artifacts.below("registry"), champion.name)
    try:
        promoted = Standing(log.events()).promoted
    except RegistryLogTamperedError as error:
        raise ModelUnusableError(
            f"which version is the last known good cannot be trusted: {error.what}", remedy=error.remedy
        ) from error
    before = [
        each
        for each in promoted
        if each.version != champion.version and each.as_of <= champion.as_of and each.approval != "rejected"
    ]
    if not before:
        raise ModelUnusableError("there is no last known good: no other version was promoted by then")
    return before[-1]


def baseline_of(champion: RegisteredModel, name: str, artifacts: ObjectStore) -> Baseline:
    """The baseline that was fitted with the champion.

    Raises:
        ModelUnusableError: none of that name was.
        FileNotFoundError: the record of the training is not there.
        ValidationError: it cannot be read.
    """
    path = result_path(champion.uri, champion.fingerprint)
    fitted = {each.name: each for each in _Fitted.model_validate_json(artifacts.read(path)).baselines}
    if (baseline := fitted.get(name)) is None:
        raise ModelUnusableError(f"there is no baseline '{name}' in {path}, only {', '.join(fitted) or 'none'}")
    return baseline


def load_model(version: RegisteredModel, artifacts: ObjectStore) -> TabularModel:
    """The model of a version, its bytes verified.

    Raises:
        ObjectCorruptError: they are not the registered ones.
        FileNotFoundError: they are not there.
        StorageError: the registered place is not below the platform's artifacts.
    """
    return loads(artifacts.read(path_of(version, artifacts)), version.sha256)


def state_of(version: RegisteredModel, artifacts: ObjectStore) -> str:
    """What tells the bytes of a version from others without reading them; empty if they are out of reach."""
    try:
        found = artifacts.info(path_of(version, artifacts))
    except (FileNotFoundError, StorageUnreachableError):
        return ""
    return f"{version.sha256}, {found.size} bytes of {found.modified_at.isoformat()}"


def path_of(version: RegisteredModel, artifacts: ObjectStore) -> str:
    """Path of a version's bytes below the artifacts."""
    return version.uri.removeprefix(f"{artifacts.uri.rstrip('/')}/")


def usable(who: str, made: Callable[[], Result]) -> Result:
    """What `made` gives.

    Raises:
        ModelUnusableError: it cannot, for a reason that lies with the model.
    """
    try:
        return made()
    except FileNotFoundError as error:
        raise ModelUnusableError(f"{who} is missing from the store") from error
    except (ObjectCorruptError, DefinitionError) as error:
        raise ModelUnusableError(f"{who} cannot be used: {error.what}, {error.got}") from error
    except ValidationError as error:
        raise ModelUnusableError(f"{who} has a record that cannot be read") from error
    except RAISED as error:
        raise ModelUnusableError(f"{who} raised {type(error).__name__}: {str(error)[:_LONGEST_QUOTE]}") from error


def rung_name(rung: AnyRung, version: RegisteredModel) -> str:
    """`champion 3`, as messages call it."""
    return f"{rung.replace('_', ' ')} {version.version}" if rung != "baseline" else f"baseline of {version.version}"
