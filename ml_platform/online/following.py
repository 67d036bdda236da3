"""The service follows the tables and the champions: what is new is read, loaded, tried, and only then answers.

Belongs here: looking, and what takes the place of what. Does not: answering (`service`), or who is told of what fails
(`troubles`).

What is new takes the place of what answers in one assignment, so a request is answered by the one or by the other.
What cannot be read or fails its trial takes no place: what answered goes on, from memory, and after a restart from the
copy on this disk.
"""

import datetime as dt
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from pydantic import ValidationError

from ml_platform.errors import ModelUnusableError, PlatformError, StorageUnreachableError
from ml_platform.evaluation.baseline import Baseline
from ml_platform.online.champions import Champions, Month, require_sound
from ml_platform.online.declared import OnlineModel
from ml_platform.online.history import History, Marks, prepare, read_window
from ml_platform.online.local_copy import KeptChampion, KeptChampions, LocalCopy
from ml_platform.online.trial import Trial
from ml_platform.recovery.degradation import Degradations
from ml_platform.serving.promotion import Promotion, recorded_promotions
from ml_platform.serving.rungs import (
    RAISED,
    Answerer,
    AnyRung,
    answerer_of,
    answerer_of_baseline,
    baseline_of,
    last_known_good_of,
    rung_name,
    usable,
)
from ml_platform.serving.scoring import ModelRung
from ml_platform.serving.trials import TrialReport, begin
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore
from ml_platform.storage.watched import WatchedTables
from ml_platform.tracking.compact_trees import compact
from ml_platform.tracking.models import TabularModel
from ml_platform.tracking.registry import RegisteredModel

FAILURES = (PlatformError, OSError, ValidationError, *RAISED)
"""What reading, loading and trying raise; none of it ends what answers."""
TRY_AGAIN_SECONDS = 15.0
"""How long a champion that cannot answer is left alone, unless another one is promoted."""


class Answering(NamedTuple):
    """What answers now; a request takes it once and is answered by it alone."""

    history: History | None = None
    champions: Champions = Champions(())
    looked_at: dt.datetime | None = None
    trial: Trial | None = None


@dataclass
class Follower:
    """What answers for one model, kept as the tables and the promotion records have it; used by one thread."""

    model: OnlineModel
    tables: TableStore
    artifacts: ObjectStore
    copy: LocalCopy
    days: int
    now: Answering = field(default_factory=Answering)
    swaps: int = 0
    watched: WatchedTables = field(init=False)
    _loaded: dict[str, TabularModel] = field(default_factory=dict)
    _stamps: Mapping[str, str] = field(default_factory=dict)
    _tried_at: float = 0.0
    _unusable_since: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """See nothing yet."""
        self.watched = WatchedTables(self.tables)

    def start(self) -> None:
        """Answer with what was kept on this disk, as far as there is any.

        Raises:
            PlatformError: what was kept cannot be used.
        """
        if window := self.copy.window():
            self.now = self.now._replace(history=replace(prepare(self.model, window), marks=self.copy.marks()))
        if kept := self.copy.champions():
            self.now = self.now._replace(champions=self._champions(kept))

    def look(self) -> None:
        """Have what answers be what is published and promoted now.

        Raises:
            PlatformError: it could not be found out or read; what answered before goes on.
        """
        self._follow_tables()
        self._follow_champions()
        self.now = self.now._replace(looked_at=dt.datetime.now(dt.UTC))

    def unusable(self) -> list[str]:
        """Of each month whose champion does not answer, why."""
        return [failure for month in self.now.champions.months for failure in month.failures]

    @property
    def _is_to_be_tried_again(self) -> bool:
        """Whether something that cannot answer was left alone for long enough."""
        is_unusable = bool(self.unusable()) or bool(self.now.trial and self.now.trial.unusable)
        return is_unusable and time.monotonic() >= self._tried_at + TRY_AGAIN_SECONDS

    @property
    def _is_untried(self) -> bool:
        """Whether a version answers that was loaded before there were golden rows to try it on."""
        rungs = [rung for month in self.now.champions.months for rung in month.rungs if rung.rung != "baseline"]
        return self.now.history is not None and any(math.isinf(each.seconds_alone) for each in rungs)

    def _follow_tables(self) -> None:
        history = self.now.history
        known = {name: each.version for name, each in history.published.items()} if history else {}
        if history is None or known != {name: self.watched.version(name) for name in self.model.tables}:
            window = read_window(self.tables, self.model, self.days)
            history = prepare(self.model, window)
            self.copy.keep_window(window)
            self._stamps = {}  # other days may be in reach, and with them other champions
        marks = self._marks(history)
        if history is self.now.history and marks == history.marks:
            return
        self.copy.keep_marks(marks)
        self.now = self.now._replace(history=replace(history, marks=marks))
        self.swaps += 1

    def _marks(self, history: History) -> Marks:
        """What is degraded of the versions that were read."""
        ledger, published = Degradations(self.artifacts), history.published
        by_table = {name: ledger.of(name, partial(int, each.version)) for name, each in published.items()}
        return {
            name: {dt.date.fromisoformat(day): f"{mark.rung}: {mark.reason}" for day, mark in marks.items()}
            for name, marks in by_table.items()
        }

    def _follow_champions(self) -> None:
        stamps = {each.path: each.stamp for each in self.artifacts.list(f"records/{self.model.champions}")}
        if stamps == self._stamps and not self._is_to_be_tried_again:
            return
        self._tried_at = time.monotonic()
        promotions = recorded_promotions(self.artifacts, self.model.champions)
        in_reach = self._in_reach(promotions)
        if not in_reach and self.now.champions.months:  # champions are withdrawn for others, and never for nobody
            raise StorageUnreachableError(
                f"There is no promotion record of {self.model.name} any more",
                kept="The champions that answered go on.",
                remedy=f"Bring back records/{self.model.champions} of the artifacts.",
            )
        kept = KeptChampions(months=tuple(self._known(each) for each in in_reach))
        if kept != self.copy.champions() or not self.now.champions.months or self.unusable() or self._is_untried:
            champions = self._champions(kept)
            self.copy.keep_champions(kept)
            self.now = self.now._replace(champions=champions, trial=None)
            self.swaps += 1
        self.now = self.now._replace(trial=self._trial(promotions))
        self._stamps = stamps

    def _trial(self, promotions: Sequence[Promotion]) -> Trial | None:
        """The trial of the newest version that waits for it, gone on with if it has begun; none where nothing waits, or
        where the champion that it is to be compared with does not answer itself.
        """
        champion, limits, running = self.now.champions.newest, self.model.trial, self.now.trial
        if limits is None or champion is None or champion.failures or not champion.rungs:
            return None
        as_of = champion.champion.as_of
        waiting = [each.candidate for each in promotions if each.outcome == "waiting" and each.as_of >= as_of]
        if not waiting:
            return None
        candidate = waiting[-1]
        begun, kept = begin(candidate, champion.champion, limits, uuid.uuid4().hex[:8]), self.copy.trial()
        is_same = running and running.champion is champion and not running.unusable
        if running and is_same and running.report.is_like(begun):
            return running
        report = kept if kept and kept.is_like(begun) else begun
        try:
            rungs = (self._ready("challenger", candidate), *champion.rungs)
        except ModelUnusableError as error:
            return self._unusable(champion, report, error.what)
        self._unusable_since.pop(candidate.sha256, None)
        month = Month(champion.as_of, candidate, rungs, ())
        return Trial(champion, month, report.model_copy(update={"broken": ""}))

    def _unusable(self, champion: Month, report: TrialReport, why: str) -> Trial:
        """The trial of a version that cannot be loaded: refused for it if it could not be a while ago either."""
        since = self._unusable_since.setdefault(report.sha256, time.monotonic())
        if time.monotonic() >= since + TRY_AGAIN_SECONDS:
            report = report.model_copy(update={"broken": why})
        return Trial(champion, champion, report, unusable=why)

    def _in_reach(self, promotions: list[Promotion]) -> list[Promotion]:
        """The promotions that name the champion of a day in reach."""
        promoted = [each for each in promotions if each.champion]
        if self.now.history is None:
            return promoted
        first = self.now.history.first_day
        return [*[each for each in promoted if each.as_of <= first][-1:], *[e for e in promoted if e.as_of > first]]

    def _known(self, promotion: Promotion) -> KeptChampion:
        """The champion of a promotion with what stands in for it; the store is asked."""
        champion = promotion.champion or promotion.candidate
        return KeptChampion(
            as_of=promotion.as_of,
            champion=champion,
            last_known_good=self._last_known_good(champion),
            baseline=self._baseline(champion),
        )

    def _last_known_good(self, champion: RegisteredModel) -> RegisteredModel | None:
        if not self.model.last_known_good:
            return None
        try:
            return last_known_good_of(champion, self.artifacts)
        except ModelUnusableError:
            return None

    def _baseline(self, champion: RegisteredModel) -> Baseline | None:
        name = self.model.baseline
        if name is None:
            return None
        try:
            return usable(f"baseline {name}", lambda: baseline_of(champion, name, self.artifacts))
        except ModelUnusableError:
            return None

    def _champions(self, kept: KeptChampions) -> Champions:
        """Every champion loaded and tried, with what stands in for it."""
        months = Champions(tuple(self._month(each) for each in kept.months))
        used = {rung.version.sha256 for month in months.months for rung in month.rungs}
        self._loaded = {sha256: model for sha256, model in self._loaded.items() if sha256 in used}
        return months

    def _month(self, kept: KeptChampion) -> Month:
        versions: list[tuple[ModelRung, RegisteredModel]] = [("champion", kept.champion)]
        if kept.last_known_good:
            versions.append(("last_known_good", kept.last_known_good))
        rungs: list[Answerer[AnyRung]] = []
        failures: list[str] = []
        for rung, version in versions:
            try:
                rungs.append(self._ready(rung, version))
            except ModelUnusableError as error:
                failures.append(error.what)
        if baseline := kept.baseline:
            rungs.append(answerer_of_baseline(baseline, kept.champion))
        is_champion = bool(rungs) and rungs[0].rung == "champion"
        return Month(kept.as_of, kept.champion, tuple(rungs), () if is_champion else tuple(failures))

    def _ready(self, rung: AnyRung, version: RegisteredModel) -> Answerer[AnyRung]:
        """The rung loaded, its bytes verified, warm and tried on the golden rows.

        Raises:
            ModelUnusableError: it cannot be.
        """
        if version.sha256 not in self._loaded:
            self._loaded[version.sha256] = usable(rung_name(rung, version), lambda: compact(self.copy.model(version)))
        answerer = answerer_of(rung, version, self._loaded[version.sha256])
        return require_sound(answerer, self.now.history.golden) if self.now.history else answerer
