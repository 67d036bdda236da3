"""The model ladder: who answers for a day when its champion cannot — the version before it, then a baseline.

Belongs here: which rung is tried when, and what is told of it. Does not: the rungs (`rungs`), what becomes of the
predictions (`predictions`), or the marks of degraded days (`recovery.degradation`).

A rung gives way when its bytes are missing or are not the recorded ones, when they cannot be loaded, when the features
lack a column that it reads, when it raises while it predicts, or when what it gives is no prediction of the task. It
does not when the features are wrong: those would be as wrong for every rung. A store that does not answer is asked
again by the step's retries first; only the last attempt goes down a rung.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import dataframely as dy
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.errors import (
    ContractViolatedError,
    ModelUnusableError,
    NoModelAnswersError,
    PlatformError,
    StorageUnreachableError,
)
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.recovery.retries import StepRetries
from ml_platform.serving.component import ModelFallback
from ml_platform.serving.rungs import (
    Answerer,
    answerer_of,
    answerer_of_baseline,
    baseline_of,
    last_known_good_of,
    load_model,
    predicted_by,
    rung_name,
    state_of,
    usable,
)
from ml_platform.serving.scoring import ModelRung, days_by_version, predictions_of
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.models import TabularModel
from ml_platform.tracking.registry import RegisteredModel


class Answered(NamedTuple):
    """Who answered for a day; why not its champion, empty if it did; and the champion's bytes as they were found."""

    by: Answerer[ModelRung]
    why: str
    seen: str


class Predicted(NamedTuple):
    """One row for each row of the features, and who answered for each day."""

    rows: pl.DataFrame
    answered: Mapping[dt.date, Answered]


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
            return usable(rung_name("champion", champion), lambda: self._of_version("champion", champion)).columns
        except (ModelUnusableError, StorageUnreachableError):
            return None

    def _first_that_can(
        self, champion: RegisteredModel, rows: pl.DataFrame
    ) -> tuple[Answerer[ModelRung], NDArray[np.float64], list[str]]:
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

    def _rungs(self, champion: RegisteredModel, fallback: ModelFallback) -> Iterator[Callable[[], Answerer[ModelRung]]]:
        yield lambda: usable(rung_name("champion", champion), lambda: self._of_version("champion", champion))
        if fallback.last_known_good:
            yield lambda: self._last_known_good(champion)
        if baseline := fallback.baseline:
            yield lambda: usable(f"baseline {baseline}", lambda: self._of_baseline(champion, baseline))

    def _last_known_good(self, champion: RegisteredModel) -> Answerer[ModelRung]:
        version = last_known_good_of(champion, self.artifacts)
        return usable(rung_name("last_known_good", version), lambda: self._of_version("last_known_good", version))

    def _of_version(self, rung: ModelRung, version: RegisteredModel) -> Answerer[ModelRung]:
        if version.sha256 not in self.loaded:
            self.loaded[version.sha256] = load_model(version, self.artifacts)
        return answerer_of(rung, version, self.loaded[version.sha256])

    def _of_baseline(self, champion: RegisteredModel, name: str) -> Answerer[ModelRung]:
        baseline = baseline_of(champion, name, self.artifacts)
        return answerer_of_baseline(baseline, champion)

    def _predicted(self, answerer: Answerer[ModelRung], rows: pl.DataFrame) -> NDArray[np.float64]:
        """One prediction of the task for each row.

        Raises:
            ModelUnusableError: the rung raised, or gave something else.
            ContractViolatedError: it did over rows that are not what their contract promises.
        """
        try:
            predicted = predicted_by(answerer, rows, self.task)
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


def _nobody_answers(champion: RegisteredModel, failures: Sequence[PlatformError]) -> NoModelAnswersError:
    return NoModelAnswersError(
        f"No model answers for the days of {champion.name} {champion.version}",
        expected="one of the rungs that serving/defs.yaml declares",
        got="; ".join(each.what for each in failures),
        kept="Nothing was published; the days keep their last predictions.",
        remedy=f"Restore {champion.uri} from a backup, materialize its training again (equal inputs give equal bytes), "
        f"or go back with `ml-platform rollback {champion.name} --reason ...`.",
    )
