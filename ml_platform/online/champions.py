"""Who answers for a day: its champion, else the last known good, else the baseline, each of them loaded and tried.

Belongs here: the rungs of each champion in reach, and one answer from them. Does not: when a champion is another one
(`following`), or the rungs themselves (`serving.rungs`).
"""

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.errors import ModelUnusableError, NoModelAnswersError, RequestRefusedError
from ml_platform.serving.rungs import Answerer, AnyRung, Features, predicted_by
from ml_platform.tracking.registry import RegisteredModel

TOLERANCE = 1e-9
"""Trees give a row the same bits alone and among others; sums of linear algebra may be rounded otherwise."""
_ONE_BY_ONE = 8


class Month(NamedTuple):
    """From `as_of` on, this champion answers; `rungs` are those that can, and `failures` say why others cannot."""

    as_of: dt.date
    champion: RegisteredModel
    rungs: tuple[Answerer[AnyRung], ...]
    failures: tuple[str, ...]


class Answer(NamedTuple):
    """A probability for each row, who gave it, and why not the champion; empty if it did."""

    probability: NDArray[np.float64]
    by: Answerer[AnyRung]
    why: str


class Champions(NamedTuple):
    """The champions of the days in reach, by the month from which each answers on."""

    months: tuple[Month, ...]

    def of(self, day: dt.date) -> Month:
        """The month whose champion answers for `day`.

        Raises:
            RequestRefusedError: no champion had been promoted by then.
        """
        found = [each for each in self.months if each.as_of <= day]
        if not found:
            raise RequestRefusedError(
                f"No champion answers for {day}",
                expected=f"a day from {self.months[0].as_of} on" if self.months else "a promoted version",
                code="out_of_reach",
            )
        return found[-1]

    def by_month(self, days: Sequence[dt.date]) -> Mapping[dt.date, Month]:
        """The month of each of the days, each once."""
        return {day: self.of(day) for day in dict.fromkeys(days)}

    @property
    def newest(self) -> Month | None:
        """The month that rows of today belong to."""
        return self.months[-1] if self.months else None


def answer(month: Month, features: Features) -> Answer:
    """What the first rung that can says of the rows.

    Raises:
        NoModelAnswersError: none can.
    """
    failures = list(month.failures)
    for rung in month.rungs:
        try:
            return Answer(predicted_by(rung, features), rung, "; ".join(failures))
        except ModelUnusableError as error:
            failures.append(error.what)
    raise NoModelAnswersError(
        f"No model answers for {month.champion.name} {month.champion.version}",
        expected="one of the rungs that serving/defs.yaml declares",
        got="; ".join(failures),
        remedy=f"Go back with `ml-platform rollback {month.champion.name} --reason ...`, or train a version again.",
    )


def require_sound(rung: Answerer[AnyRung], golden: pl.DataFrame) -> Answerer[AnyRung]:
    """The rung, once it has answered for the golden rows: probabilities, and the same for a row alone as among others.

    It is timed on those that were alone.

    Raises:
        ModelUnusableError: it did not.
    """
    if golden.is_empty():
        return rung
    together = predicted_by(rung, golden)
    alone, seconds = [], []
    for row in golden.head(_ONE_BY_ONE).iter_slices(1):
        began = time.thread_time()
        alone.append(predicted_by(rung, row)[0])
        seconds.append(time.thread_time() - began)
    if differing := int((np.abs(together[:_ONE_BY_ONE] - alone) > TOLERANCE).sum()):
        raise ModelUnusableError(f"{rung} gives {differing} of {len(alone)} golden rows another value alone")
    return rung._replace(seconds_alone=median(seconds))
