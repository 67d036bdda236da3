"""Answers: rows to features, to probabilities, with who gave them and how fresh what they follow from is.

Belongs here: one request, from its bytes to what is answered. Does not: HTTP (`app`), or what answers (`following`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl

from ml_platform.errors import NotReadyError
from ml_platform.online.champions import Answer, Month, answer
from ml_platform.online.following import Answering, Follower
from ml_platform.online.history import History
from ml_platform.online.requests import RowRequests
from ml_platform.serving.scoring import predictions_of

PREDICTED = ("probability", "model_version", "model_as_of", "model_fingerprint", "model_sha256", "model_rung")


class Predicted(NamedTuple):
    """What is answered: for each row of `features` one of `rows`, with what `PREDICTED` and `degraded` name."""

    rows: pl.DataFrame
    features: pl.DataFrame
    reasons: list[str]
    answering: Answering

    @property
    def degraded_rows(self) -> int:
        """Rows that are degraded in some way."""
        return self.rows.filter(pl.col("degraded").list.len() > 0).height


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
    broken: dict[str, str] = field(default_factory=dict)
    """By the hash of its bytes, a champion in memory that did not answer when it was last asked, and why."""

    def __post_init__(self) -> None:
        """Make the schema of requests from the contract of the rows."""
        self.requests = RowRequests(self.follower.model.rows.contract, self.follower.model.row)

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
        now = self.follower.now
        history = self._require_ready(now)
        rows = self.requests.frame(body, self.most_rows)
        days: list[dt.date] = rows[history.model.day_column].to_list()
        months = now.champions.by_month(days)
        features = history.features(rows)
        parts = [
            (at, self._answer(month, features if len(at) == len(days) else features[at]))
            for month in {each.as_of: each for each in months.values()}.values()
            if (at := [place for place, day in enumerate(days) if months[day] is month])
        ]
        return self._predicted(now, history, features, days, parts)

    def score(self, features: pl.DataFrame) -> Scored:
        """What the newest champion, or who stands in for it, says of rows of features.

        Raises:
            NotReadyError: there is no champion yet.
            NoModelAnswersError: every rung was tried.
        """
        month = self.follower.now.champions.newest
        if month is None:
            raise self._not_ready()
        return Scored(self._answer(month, features), month)

    def _answer(self, month: Month, features: pl.DataFrame) -> Answer:
        found = answer(month, features)
        if month.failures:  # known since it was loaded
            return found
        if found.why:
            self.broken[month.champion.sha256] = found.why
        else:
            self.broken.pop(month.champion.sha256, None)
        return found

    def _predicted(
        self,
        now: Answering,
        history: History,
        features: pl.DataFrame,
        days: Sequence[dt.date],
        parts: Sequence[tuple[list[int], Answer]],
    ) -> Predicted:
        missing = {day: history.missing(day) for day in dict.fromkeys(days)}
        rows = [_told(at, given) for at, given in parts]
        predicted = pl.concat(rows).sort("place").drop("place") if len(rows) > 1 else rows[0].drop("place")
        flags = [
            [*(["features"] if missing[day] else []), *(["model"] if rung != "champion" else [])]
            for day, rung in zip(days, predicted["model_rung"], strict=True)
        ]
        told = [f"{given.by} answers, because {given.why}" for _, given in parts if given.by.rung != "champion"]
        told += [f"{day} is answered without {_few(names)}" for day, names in missing.items() if names]
        flagged = predicted.with_columns(pl.Series("degraded", flags, dtype=pl.List(pl.String)))
        return Predicted(flagged, features, told, now)

    def _require_ready(self, now: Answering) -> History:
        if now.history is None or not now.champions.months:
            raise self._not_ready()
        return now.history

    def _not_ready(self) -> NotReadyError:
        return NotReadyError(f"The service of {self.follower.model.name} lacks {' and '.join(self.lacks)}")


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


def _told(at: list[int], given: Answer) -> pl.DataFrame:
    place = pl.DataFrame({"place": np.array(at, dtype=np.int64)})
    rows = predictions_of(place, given.probability, given.by.version, given.by.rung)
    return rows.with_columns(pl.lit(given.by.version.sha256).alias("model_sha256"))


def _few(names: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
