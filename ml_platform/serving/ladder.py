"""The model ladder: who answers for a day when its champion cannot — the version before it, then a baseline.

Belongs here: the rungs, what makes one give way to the next, and what is told of it. Does not: what becomes of the
predictions (`predictions`), or the marks of degraded days (`recovery.degradation`).

A rung gives way when its bytes are missing or are not the recorded ones, when they cannot be loaded, when the features
lack a column that it reads, when it raises while it predicts, or when what it gives is no prediction of the task. It
does not when the features are wrong: those would be as wrong for every rung. A store that does not answer is asked
again by the step's retries first; only the last attempt goes down a rung.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import dataframely as dy
import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from ml_platform.errors import (
    ContractViolatedError,
    DefinitionError,
    ModelUnusableError,
    NoModelAnswersError,
    ObjectCorruptError,
    PlatformError,
    RegistryLogTamperedError,
    StorageUnreachableError,
)
from ml_platform.evaluation.baseline import Baseline
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.recovery.retries import StepRetries
from ml_platform.serving.answers import invalid_rows
from ml_platform.serving.component import ModelFallback
from ml_platform.serving.scoring import ModelRung, days_by_version, predictions_of
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.models import TabularModel, loads, predict
from ml_platform.tracking.registry import RegisteredModel
from ml_platform.tracking.registry_log import RegistryLog
from ml_platform.tracking.standing import Standing
from ml_platform.tracking.trainings import result_path

_RAISED = (
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

Result = TypeVar("Result")
Predict = Callable[[pl.DataFrame], NDArray[np.float64]]


class Answerer(NamedTuple):
    """A rung that is ready: what predicts, by which columns, and the version it is, or came with."""

    rung: ModelRung
    version: RegisteredModel
    columns: Sequence[str]
    predict: Predict

    def __str__(self) -> str:
        """As a reader knows it."""
        return _name(self.rung, self.version)


class Answered(NamedTuple):
    """Who answered for a day; why not its champion, empty if it did; and the champion's bytes as they were found."""

    by: Answerer
    why: str
    seen: str


class Predicted(NamedTuple):
    """One row for each row of the features, and who answered for each day."""

    rows: pl.DataFrame
    answered: Mapping[dt.date, Answered]


class _Fitted(BaseModel):
    """Of the record of a training, the baselines."""

    baselines: tuple[Baseline, ...]


@dataclass(frozen=True)
class ModelLadder:
    """The rungs below the champions of one deployment; each version is loaded once."""

    artifacts: ObjectStore
    features: type[dy.Schema]
    fallback: ModelFallback | None = None
    retries: StepRetries | None = None
    task: Task = BINARY
    loaded: dict[str, TabularModel] = field(default_factory=dict, repr=False)

    def predict_by_day(
        self,
        features: pl.DataFrame,
        champions: Mapping[dt.date, RegisteredModel],
        *,
        day_column: str,
        keys: Sequence[str],
    ) -> Predicted:
        """Every row of the days predicted, by the first rung that can.

        Raises:
            NoModelAnswersError: none could; it tells what was tried.
            ContractViolatedError: the features are not what their contract promises.
            ObjectCorruptError: no fallback is declared, and the champion's bytes are not the recorded ones.
        """
        parts: list[pl.DataFrame] = []
        answered: dict[dt.date, Answered] = {}
        for champion, days in days_by_version(champions):
            rows = features.filter(pl.col(day_column).is_in(days))
            seen = state_of(champion, self.artifacts) if self.fallback else ""
            by, predicted, failures = self._first_that_can(champion, rows)
            parts.append(predictions_of(rows.select(keys), predicted, by.version, by.rung, self.task))
            answered |= dict.fromkeys(days, Answered(by, "; ".join(failures), seen))
        return Predicted(pl.concat(parts), answered)

    def columns_of(self, champion: RegisteredModel) -> Sequence[str] | None:
        """The features that a champion reads; None if it has fallbacks and cannot be loaded.

        Raises:
            ObjectCorruptError: no fallback is declared, and its bytes are not the recorded ones.
        """
        if self.fallback is None:
            return self._of_version("champion", champion).columns
        try:
            return _usable(_name("champion", champion), lambda: self._of_version("champion", champion)).columns
        except (ModelUnusableError, StorageUnreachableError):
            return None

    def _first_that_can(
        self, champion: RegisteredModel, rows: pl.DataFrame
    ) -> tuple[Answerer, NDArray[np.float64], list[str]]:
        if self.fallback is None:
            answerer = self._of_version("champion", champion)
            return answerer, answerer.predict(rows), []
        failures: list[PlatformError] = []
        for climb in self._rungs(champion, self.fallback):
            try:
                answerer = climb()
                return answerer, self._predicted(answerer, rows), [each.what for each in failures]
            except ModelUnusableError as error:
                failures.append(error)
            except StorageUnreachableError as error:
                if self.retries:  # true while another attempt follows the error that is being handled
                    raise
                failures.append(error)
        if all(isinstance(each, StorageUnreachableError) for each in failures):
            raise failures[0]
        raise _nobody_answers(champion, failures)

    def _rungs(self, champion: RegisteredModel, fallback: ModelFallback) -> Iterator[Callable[[], Answerer]]:
        yield lambda: _usable(_name("champion", champion), lambda: self._of_version("champion", champion))
        if fallback.last_known_good:
            yield lambda: self._last_known_good(champion)
        if baseline := fallback.baseline:
            yield lambda: _usable(f"baseline {baseline}", lambda: self._of_baseline(champion, baseline))

    def _last_known_good(self, champion: RegisteredModel) -> Answerer:
        """The version that would answer without the champion: promoted, neither rolled back nor rejected."""
        log = RegistryLog(self.artifacts.below("registry"), champion.name)
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
        return _usable(_name("last_known_good", before[-1]), lambda: self._of_version("last_known_good", before[-1]))

    def _of_version(self, rung: ModelRung, version: RegisteredModel) -> Answerer:
        if version.sha256 not in self.loaded:
            self.loaded[version.sha256] = load_model(version, self.artifacts)
        model = self.loaded[version.sha256]
        return Answerer(rung, version, model.features, lambda rows: predict(model, rows))

    def _of_baseline(self, champion: RegisteredModel, name: str) -> Answerer:
        path = result_path(champion.uri, champion.fingerprint)
        fitted = {each.name: each for each in _Fitted.model_validate_json(self.artifacts.read(path)).baselines}
        if (baseline := fitted.get(name)) is None:
            raise ModelUnusableError(f"there is no baseline '{name}' in {path}, only {', '.join(fitted) or 'none'}")
        return Answerer("baseline", champion, baseline.columns, baseline.predict)

    def _predicted(self, answerer: Answerer, rows: pl.DataFrame) -> NDArray[np.float64]:
        """One prediction of the task for each row.

        Raises:
            ModelUnusableError: the rung raised, or gave something else.
            ContractViolatedError: it did over rows that are not what their contract promises.
        """
        try:
            predicted = _usable(str(answerer), lambda: answerer.predict(rows))
            wrong = invalid_rows(predicted, self.task)
            if wrong or len(predicted) != rows.height:
                kind = "probabilities" if self.task.kind == "binary" else f"{self.task.kind} predictions"
                raise ModelUnusableError(
                    f"{answerer} gave {wrong} values that are no {kind}, {len(predicted)} for {rows.height} rows"
                )
        except ModelUnusableError:
            self._require_good(rows)
            raise
        return predicted

    def _require_good(self, rows: pl.DataFrame) -> None:
        """Pass if every row holds to the contract of the features: then it is the model that fails, not they."""
        names = list(self.features.columns())
        if not set(names) <= set(rows.columns):
            return  # a column that is not there is what the model lacks
        _, failures = self.features.filter(rows.select(names))
        if counts := failures.counts():
            raise ContractViolatedError(
                f"{sum(counts.values())} features break the contract {self.features.__name__}, and no model can "
                "predict from them",
                got=", ".join(f"{number} by '{rule}'" for rule, number in counts.items()),
                kept="Nothing was published; the days keep their last predictions.",
                remedy="Materialize the feature table of these days again.",
            )


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


def _usable(who: str, made: Callable[[], Result]) -> Result:
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
    except _RAISED as error:
        raise ModelUnusableError(f"{who} raised {type(error).__name__}: {str(error)[:_LONGEST_QUOTE]}") from error


def _name(rung: ModelRung, version: RegisteredModel) -> str:
    """`champion 3`, as messages call it."""
    return f"{rung.replace('_', ' ')} {version.version}" if rung != "baseline" else f"baseline of {version.version}"


def _nobody_answers(champion: RegisteredModel, failures: Sequence[PlatformError]) -> NoModelAnswersError:
    return NoModelAnswersError(
        f"No model answers for the days of {champion.name} {champion.version}",
        expected="one of the rungs that serving/defs.yaml declares",
        got="; ".join(each.what for each in failures),
        kept="Nothing was published; the days keep their last predictions.",
        remedy=f"Restore {champion.uri} from a backup, materialize its training again (equal inputs give equal bytes), "
        f"or go back with `ml-platform rollback {champion.name} --reason ...`.",
    )
