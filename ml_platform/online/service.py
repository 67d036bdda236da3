"""Answers: rows to features, to probabilities, with who gave them and how fresh what they follow from is.

Belongs here: one request, from its bytes to what is answered. Does not: HTTP (`app`), or what answers (`following`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.errors import NoModelAnswersError, NotReadyError, ServingError
from ml_platform.online.champions import Answer, Month, answer
from ml_platform.online.following import Answering, Follower
from ml_platform.online.history import History
from ml_platform.online.requests import RowRequests
from ml_platform.online.trial import hash_of
from ml_platform.serving.rungs import Answerer, AnyRung, Features

_ANSWERED: Mapping[str, pl.DataType] = {
    "probability": pl.Float64(),
    "model_version": pl.Int64(),
    "model_as_of": pl.Date(),
    "model_fingerprint": pl.String(),
    "model_sha256": pl.String(),
    "model_rung": pl.String(),
    "degraded": pl.List(pl.String()),
}
QUICK_SECONDS, QUICK_BYTES, QUICK_PARTS = 0.001, 8_000, 20
"""What a champion may take for a row, and a body may have of bytes and of objects, lists and lines, to be scored at
once: a thread to do it takes as long.
"""
_STAND_INS = ("last_known_good", "baseline")
PREDICTED = tuple(name for name in _ANSWERED if name != "degraded")


class Predicted(NamedTuple):
    """What is answered: for each row of `features` a value in each of `columns`, `PREDICTED` and `degraded`."""

    columns: Mapping[str, Sequence[Any]]
    features: pl.DataFrame
    reasons: list[str]
    answering: Answering
    degraded_rows: int

    def dicts(self) -> list[dict[str, Any]]:
        """The columns row by row."""
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*self.columns.values(), strict=True)]


def answers_frame(predicted: Sequence[Predicted]) -> pl.DataFrame:
    """What was answered to many requests, as one frame."""
    columns = {name: list(chain.from_iterable(each.columns[name] for each in predicted)) for name in _ANSWERED}
    return pl.DataFrame(columns, schema=_ANSWERED)


class _Asked(NamedTuple):
    """A request that can be answered: its rows, the day of each, and the month whose champion answers for a day; and
    the hash of its bytes.
    """

    rows: pl.DataFrame
    days: list[dt.date]
    months: Mapping[dt.date, Month]
    request: int


class Scored(NamedTuple):
    """Probabilities for rows of features that the request brought, and who gave them."""

    answer: Answer
    month: Month


@dataclass
class OnlineService:
    """The service of one model; any number of threads ask it."""

    follower: Follower
    most_rows: int
    requests: RowRequests = field(init=False)
    texts: frozenset[str] = field(init=False)
    """Features that are text; all others are numbers."""
    broken: dict[str, str] = field(default_factory=dict)
    """By the hash of its bytes, a champion in memory that did not answer when it was last asked, and why."""

    def __post_init__(self) -> None:
        """Make the schema of requests from the contract of the rows, and know the features."""
        model = self.follower.model
        self.requests = RowRequests(model.rows.contract, model.row)
        columns = model.features.columns().items()
        self.texts = frozenset(name for name, column in columns if column.dtype == pl.String)

    def types_of(self, rung: Answerer[AnyRung]) -> Mapping[str, pl.DataType]:
        """How a rung's columns come with a request: text, or numbers."""
        return _types(tuple(rung.columns), self.texts)

    def breakdowns(self) -> list[str]:
        """Why champions that answer for some day did not, when they were last asked."""
        current = {month.champion.sha256 for month in self.follower.now.champions.months}
        return [why for sha256, why in tuple(self.broken.items()) if sha256 in current]

    @property
    def lacks(self) -> list[str]:
        """What is missing for an answer; nothing when the service is ready."""
        now = self.follower.now
        lacking = {"a history of the tables": now.history is None, "a champion": not now.champions.months}
        return [what for what, is_lacking in lacking.items() if is_lacking]

    def predict(self, body: bytes) -> Predicted:
        """The answer to a request.

        Raises:
            RequestRefusedError: the request is wrong, too large, or about days out of reach.
            NotReadyError: there is no history or champion yet.
            NoModelAnswersError: every rung was tried.
        """
        [told] = self.predict_all([body])
        if isinstance(told, ServingError):
            raise told
        return told

    def predict_all(self, bodies: Sequence[bytes]) -> list[Predicted | ServingError]:
        """The answer to each request, or why it has none; features and predictions are made once for all of them."""
        now = self.follower.now
        asked = [self._asked(now, body) for body in bodies]
        answers = iter(self._answered(now, [each for each in asked if isinstance(each, _Asked)]))
        return [next(answers) if isinstance(each, _Asked) else each for each in asked]

    def is_quick(self, body: bytes) -> bool:
        """Whether scoring the rows of features in `body` takes about as long as having a thread do it: few rows, by a
        champion that is fast and sound.
        """
        newest = self.follower.now.champions.newest
        if newest is None or not newest.rungs or newest.champion.sha256 in self.broken or len(body) > QUICK_BYTES:
            return False
        is_of_few_rows = sum(map(body.count, (b"{", b"[", b"\n"))) <= QUICK_PARTS
        return is_of_few_rows and newest.rungs[0].seconds_alone < QUICK_SECONDS

    def score(self, features: Features, body: bytes = b"") -> Scored:
        """What the newest champion, or who stands in for it, says of the rows of features that a request brought.

        Raises:
            NotReadyError: there is no champion yet.
            NoModelAnswersError: every rung was tried.
        """
        now = self.follower.now
        month = now.champions.newest
        if month is None:
            raise self._not_ready()
        if now.trial:
            now.trial.offer(hash_of(body), features, [month], is_answered=False)
        return Scored(self._answer(month, features), month)

    def _answer(self, month: Month, features: Features) -> Answer:
        found = answer(month, features)
        if month.failures or month.rungs[0].rung == "challenger":  # known since it was loaded, or a matter of its trial
            return found
        if found.why:
            self.broken[month.champion.sha256] = found.why
        else:
            self.broken.pop(month.champion.sha256, None)
        return found

    def _asked(self, now: Answering, body: bytes) -> _Asked | ServingError:
        try:
            history = self._require_ready(now)
            rows = self.requests.frame(body, self.most_rows)
            days: list[dt.date] = rows[history.model.day_column].to_list()
            history.require_in_reach(days)
            months, request = now.champions.by_month(days), hash_of(body)
            return _Asked(rows, days, now.trial.months(request, months) if now.trial else months, request)
        except ServingError as error:
            return error

    def _answered(self, now: Answering, asked: Sequence[_Asked]) -> Sequence[Predicted | ServingError]:
        """Answers made together, or by each alone where a champion or all models failed: it may be for one request."""
        try:
            told = self._together(now, asked) if asked else []
            if len(asked) <= 1 or not self.broken:
                return told
        except NoModelAnswersError as error:
            if len(asked) == 1:
                return [error]
        return [alone for each in asked for alone in self._answered(now, [each])]

    def _together(self, now: Answering, asked: Sequence[_Asked]) -> list[Predicted]:
        history, months = self._require_ready(now), [each.months[day] for each in asked for day in each.days]
        features = history.features(pl.concat([each.rows for each in asked]) if len(asked) > 1 else asked[0].rows)
        of_batch = {id(month): month for month in months}
        given = {key: self._of_month(month, months, features) for key, month in of_batch.items()}
        probability = np.empty(len(months), dtype=np.float64)
        for place, found in given.values():
            probability[place] = found.probability
        told, first = [], 0
        for each in asked:
            until = first + len(each.days)
            by, of_request = [given[id(month)][1] for month in months[first:until]], features[first:until]
            told.append(_predicted(now, history, each, by, probability[first:until], of_request))
            if now.trial:
                is_answered = any(answer.by.rung == "challenger" for answer in by)
                now.trial.offer(each.request, of_request, each.months.values(), is_answered=is_answered)
            first = until
        return told

    def _of_month(self, month: Month, months: Sequence[Month], features: pl.DataFrame) -> tuple[list[int], Answer]:
        """Which rows a month's champion answers for, and what it says of them."""
        at = [place for place, each in enumerate(months) if each is month]
        return at, self._answer(month, features if len(at) == len(months) else features[at])

    def _require_ready(self, now: Answering) -> History:
        if now.history is None or not now.champions.months:
            raise self._not_ready()
        return now.history

    def _not_ready(self) -> NotReadyError:
        return NotReadyError(f"The service of {self.follower.model.name} lacks {' and '.join(self.lacks)}")


@lru_cache(maxsize=16)
def _types(columns: tuple[str, ...], texts: frozenset[str]) -> Mapping[str, pl.DataType]:
    return {name: pl.String() if name in texts else pl.Float64() for name in columns}


def freshness(now: Answering) -> Mapping[str, object]:
    """How fresh what answers is: when it was last held against the store, and what is known of each table."""
    published = now.history.published if now.history else {}
    return {
        "looked_at": now.looked_at,
        "tables": {
            name: {
                "version": each.version,
                "newest_day": max(each.days, default=None),
                "known_until": each.known_until,
            }
            for name, each in published.items()
        },
    }


def _predicted(
    now: Answering,
    history: History,
    asked: _Asked,
    given: Sequence[Answer],
    probability: NDArray[np.float64],
    features: pl.DataFrame,
) -> Predicted:
    """What one request is told: of each of its rows the probability, who gave it, and what is degraded."""
    lacks = {day: history.lacks(day) for day in asked.months}
    by = [each.by for each in given]
    degraded = [
        [*(["features"] if lacks[day] else []), *(["model"] if each.rung in _STAND_INS else [])]
        for day, each in zip(asked.days, by, strict=True)
    ]
    rows = {
        "probability": probability.tolist(),
        "model_version": [None if each.rung == "baseline" else each.version.version for each in by],
        "model_as_of": [each.version.as_of for each in by],
        "model_fingerprint": [each.version.fingerprint for each in by],
        "model_sha256": [each.version.sha256 for each in by],
        "model_rung": [each.rung for each in by],
        "degraded": degraded,
    }
    told = dict.fromkeys(f"{e.by} answers, because {e.why}" for e in given if e.by.rung in _STAND_INS)
    told |= dict.fromkeys(f"{day} is answered {_few(what)}" for day, what in lacks.items() if what)
    flagged = sum(bool(each) for each in degraded)
    return Predicted(rows, features, list(told), now, flagged)


def _few(names: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
