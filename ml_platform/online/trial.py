"""A new version on the requests of the champion: beside it (shadow), or for a share of them in its place (canary).

Belongs here: who answers a request, the comparison of both versions, and its end in this process. Does not: what is
allowed and what follows for promotion (`serving.trials`), or which version is to be tried (`following`).

Requests are compared after they were answered, by a thread that answers nobody. Both versions score the
same rows there, one after the other and in turns, and the time is that of this thread on its processor: what else goes
on in the process counts for neither.
"""

import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.errors import ModelUnusableError
from ml_platform.online.champions import Month
from ml_platform.online.local_copy import LocalCopy
from ml_platform.serving.rungs import Answerer, AnyRung, Features, predicted_by
from ml_platform.serving.trials import TrialReport, publish, verdicts
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.few_rows import as_frame

MOST_WAITING, MOST_ROWS = 64, 64
"""Requests that may wait to be compared, and rows of each that are; what comes on top is not compared."""
_SHARES = 2**32
Key = TypeVar("Key")


class Timed(NamedTuple):
    """What a version gave for some rows, none if it failed, and the CPU seconds that it took."""

    probability: NDArray[np.float64] | None
    seconds: float


@dataclass
class Trial:
    """One version that is tried in place of one champion; asked by any number of threads, compared by one."""

    champion: Month
    challenger: Month
    """Of the same days, with the new version as its first rung and the champion's rungs behind."""
    report: TrialReport
    unusable: str = ""
    """Why it cannot be loaded now; it may be later."""
    refused_elsewhere: str = ""
    published: TrialReport | None = None
    _waiting: deque[pl.DataFrame] = field(default_factory=deque)
    _counted: set[int] = field(default_factory=set)
    _answered: int = 0
    _passed_by: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_running(self) -> bool:
        """Whether the new version may answer, and is compared."""
        return not (self.unusable or self.refused_elsewhere) and self.report.verdict == "running"

    @property
    def why_refused(self) -> str:
        """Why it answers no more; empty unless it was refused, or cannot be loaded."""
        why = self.unusable or self.refused_elsewhere
        why = why or (self.report.reason if self.report.verdict == "refused" else "")
        return f"version {self.report.version} is not tried: {why}" if why else ""

    def months(self, request: int, months: Mapping[Key, Month]) -> Mapping[Key, Month]:
        """Who answers a request, told by its hash: in a share of them the new version, for its days."""
        if not self.is_running or request >= self.report.limits.share * _SHARES:
            return months
        return {key: self.challenger if month is self.champion else month for key, month in months.items()}

    def offer(self, request: int, features: Features, months: Collection[Month], *, is_answered: bool) -> None:
        """Have the rows of a request compared, if they are of days for which both versions answer.

        A request that comes again counts once: whoever repeats one that fails is no evidence of more failures.
        """
        if not self.is_running or any(each is not self.champion and each is not self.challenger for each in months):
            return
        with self._lock:
            self._answered += is_answered
            if request in self._counted:
                return
            if len(self._waiting) >= MOST_WAITING:
                self._passed_by += 1
                return
            self._counted.add(request)
            self._waiting.append(as_frame(features).head(MOST_ROWS))

    def compare(self) -> None:
        """Compare what waits now; what comes meanwhile waits for the next time."""
        for _ in range(len(self._waiting)):
            if self.is_running:
                self._compare(self._waiting.popleft())
        with self._lock:
            answered, passed_by = self._answered, self._passed_by
            self._answered = self._passed_by = 0
        counts = {"answered": self.report.answered + answered, "passed_by": self.report.passed_by + passed_by}
        self.report = self.report.model_copy(update=counts)

    def _compare(self, rows: pl.DataFrame) -> None:
        pair = (self.champion.rungs[0], self.challenger.rungs[0])
        is_turned = self.report.failures.seen % 2 == 1  # who comes second finds everything warm
        taken = [timed(each, rows) for each in (reversed(pair) if is_turned else pair)]
        champion, challenger = reversed(taken) if is_turned else taken
        if champion.probability is None:  # says nothing about the new version
            return
        report, has_failed = self.report, challenger.probability is None
        update = {"failures": report.failures.after(float(has_failed))}
        if challenger.probability is not None:
            is_slow = challenger.seconds > report.limits.times_as_slow * champion.seconds
            distance = float(np.abs(challenger.probability - champion.probability).mean())
            update |= {"slow": report.slow.after(float(is_slow)), "difference": report.difference.after(distance)}
        self.report = report.model_copy(update=update)


def follow(trial: Trial, copy: LocalCopy, artifacts: ObjectStore) -> None:
    """Keep and publish what was found since the last time, and hear whether another process has refused the version.

    Raises:
        StorageError: the store does not answer; what was found is on this disk, and is published the next time.
    """
    report = trial.report
    if report != trial.published:
        copy.keep_trial(report)
        publish(report, artifacts)
        trial.published = report
    refused = [each for each in verdicts(artifacts, report) if each.verdict == "refused"]
    if refused and report.verdict != "refused":
        trial.refused_elsewhere = f"{refused[0].reason}, in another process"


def hash_of(body: bytes) -> int:
    """What tells one request from others, spread evenly below 2^32."""
    return zlib.crc32(body)


def timed(answerer: Answerer[AnyRung], rows: pl.DataFrame, clock: Callable[[], float] = time.thread_time) -> Timed:
    """The version's probabilities for the rows, and how long it took by the clock."""
    began = clock()
    try:
        probability = predicted_by(answerer, rows)
    except ModelUnusableError:
        return Timed(None, clock() - began)
    return Timed(probability, clock() - began)
