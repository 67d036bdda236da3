"""What the service last answered with, on its own disk: with it, it starts again while everything else is down.

Belongs here: model bytes by their hash, who is champion, and the window of the tables. Does not: deciding what is good
(`following`). Each object is written whole or not at all; the two documents name what belongs together.
"""

import datetime as dt
import io
from collections.abc import Collection, Mapping
from typing import NamedTuple, Self

import polars as pl
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ml_platform.errors import ObjectCorruptError
from ml_platform.evaluation.baseline import Baseline
from ml_platform.online.history import Marks, Published, Window
from ml_platform.serving.rungs import path_of
from ml_platform.serving.trials import TrialReport
from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.models import TabularModel, loads
from ml_platform.tracking.registry import RegisteredModel

FOLDER = "online"
_CHAMPIONS, _HISTORY, _MARKS, _TRIAL = "champions.json", "history.json", "marks.json", "trial.json"
_KEPT_MARKS: TypeAdapter[Marks] = TypeAdapter(Marks)


class KeptChampion(BaseModel):
    """One champion with what stands in for it."""

    as_of: dt.date = Field(description="First day that it answers for.")
    champion: RegisteredModel = Field(description="The version.")
    last_known_good: RegisteredModel | None = Field(description="The version before it; null without one.")
    baseline: Baseline | None = Field(description="The baseline that was fitted with it; null without one.")


class KeptChampions(BaseModel):
    """Every champion in reach."""

    months: tuple[KeptChampion, ...] = Field(description="In the order of their months.")


class _KeptTable(BaseModel):
    version: int
    days: frozenset[dt.date]
    known_until: dt.datetime | None
    path: str


class _KeptWindow(BaseModel):
    first_day: dt.date
    tables: Mapping[str, _KeptTable]


class LocalCopy(NamedTuple):
    """The copy for one registered model, below the platform's home."""

    objects: ObjectStore
    artifacts: ObjectStore

    @classmethod
    def of(cls, settings: Settings, model: str, artifacts: ObjectStore) -> Self:
        """The copy that the settings place; nothing is created yet."""
        return cls(ObjectStore(f"file://{settings.home.resolve()}/{FOLDER}/{model}"), artifacts)

    def model(self, version: RegisteredModel) -> TabularModel:
        """The model of a version, its bytes verified: the copy, or what the store has, which is then copied.

        Raises:
            ObjectCorruptError: the store's bytes are not the registered ones.
            FileNotFoundError: the store does not have them.
            StorageUnreachableError: there is no good copy, and the store does not answer.
        """
        path = f"models/{version.sha256}.skops"
        try:
            return loads(self.objects.read(path), version.sha256)
        except (FileNotFoundError, ObjectCorruptError):
            data = self.artifacts.read(path_of(version, self.artifacts))
        model = loads(data, version.sha256)
        self.objects.write(path, data)
        return model

    def keep_champions(self, champions: KeptChampions) -> None:
        """Remember who answers; models of nobody else are dropped."""
        self.objects.write(_CHAMPIONS, champions.model_dump_json().encode())
        versions = [each.champion for each in champions.months]
        versions += [each.last_known_good for each in champions.months if each.last_known_good]
        self._drop("models", {f"models/{each.sha256}.skops" for each in versions})

    def champions(self) -> KeptChampions | None:
        """Who answered last; none if nothing readable was kept."""
        try:
            return KeptChampions.model_validate_json(self.objects.read(_CHAMPIONS))
        except (FileNotFoundError, ValidationError):
            return None

    def keep_window(self, window: Window) -> None:
        """Remember the window."""
        tables = {}
        for name, frame in window.frames.items():
            path = f"history/{name.replace('/', '.')}-{window.published[name].version}.parquet"
            buffer = io.BytesIO()
            frame.write_parquet(buffer)
            self.objects.write(path, buffer.getvalue())
            tables[name] = _KeptTable(**window.published[name]._asdict(), path=path)
        kept = _KeptWindow(first_day=window.first_day, tables=tables)
        self.objects.write(_HISTORY, kept.model_dump_json().encode())
        self._drop("history", {each.path for each in tables.values()})

    def window(self) -> Window | None:
        """The window that was read last; none if nothing readable was kept."""
        try:
            kept = _KeptWindow.model_validate_json(self.objects.read(_HISTORY))
            data = {name: self.objects.read(each.path) for name, each in kept.tables.items()}
            frames = {name: pl.read_parquet(io.BytesIO(each)) for name, each in data.items()}
        except (FileNotFoundError, ValidationError, pl.exceptions.PolarsError):
            return None
        published = {name: Published(each.version, each.days, each.known_until) for name, each in kept.tables.items()}
        return Window(frames, published, kept.first_day)

    def keep_marks(self, marks: Marks) -> None:
        """Remember what of the window is degraded."""
        self.objects.write(_MARKS, _KEPT_MARKS.dump_json(marks))

    def marks(self) -> Marks:
        """What was degraded of the window that was read last."""
        try:
            return _KEPT_MARKS.validate_json(self.objects.read(_MARKS))
        except (FileNotFoundError, ValidationError):
            return {}

    def keep_trial(self, report: TrialReport) -> None:
        """Remember how far a trial is: the bound on its false alarms holds for all of it."""
        self.objects.write(_TRIAL, report.model_dump_json().encode())

    def trial(self) -> TrialReport | None:
        """How far the last trial was; none if nothing readable was kept."""
        try:
            return TrialReport.model_validate_json(self.objects.read(_TRIAL))
        except (FileNotFoundError, ValidationError):
            return None

    def _drop(self, folder: str, but: Collection[str]) -> None:
        for each in self.objects.list(folder):
            if each.path not in but:
                self.objects.delete(each.path)
