"""The journal: what MLflow has still to be told, in order, below the platform's artifacts.

Belongs here: keeping entries while MLflow cannot be had, and which MLflow run a key got. Does not: saying them
(`writing`), or noticing that MLflow is away (`reaching`). Nothing here imports mlflow.

A run has one folder, named by the digest of its key, since its MLflow id is not known before MLflow gives it. While
nothing waits, the folder does not exist.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_platform.errors import ObjectCorruptError
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.entries import Awaited, Entry, Note, Opened

FOLDER = "tracking"
WAITING = "waiting-"
"""How the name of a run begins whose MLflow id is not known yet; the digest of its key follows."""


class Receipt(BaseModel):
    """The MLflow run that a key got."""

    model_config = ConfigDict(frozen=True)

    run_id: str = Field(description="Its id in MLflow.")
    experiment_id: str = Field(description="Id of its experiment.")
    asset: str = Field(description="The asset that it is about.")
    partition: str = Field(description="Its partition.")
    mlflow_uri: str = Field("", description="The model that was logged last; empty before.")


class Delayed(NamedTuple):
    """A partition that could not be materialized without MLflow, and since when (UTC)."""

    asset: str
    job: str
    partition: str
    since: dt.datetime


class Waiting(NamedTuple):
    """One run of which MLflow has still to be told so many entries: since when (UTC), and why.

    `awaited` are partitions that could not be materialized meanwhile; they wait until they are.
    """

    run: str
    asset: str
    partition: str
    entries: int
    since: dt.datetime
    reason: str
    awaited: tuple[Delayed, ...]


class Replayed(NamedTuple):
    """What became of what waited: the MLflow run that was told, or why MLflow refuses it."""

    waiting: Waiting
    run_id: str
    refused: str


class Kept(NamedTuple):
    """A note and the object that it is in."""

    path: str
    note: Note


@dataclass(frozen=True)
class Journal:
    """What waits below `objects`, and the receipts of the runs that are known."""

    objects: ObjectStore

    @classmethod
    def below(cls, artifacts: ObjectStore) -> "Journal":
        """The journal of a platform with these artifacts."""
        return cls(artifacts.below(FOLDER))

    def pending(self) -> list[Waiting]:
        """Every run of which something waits, the longest waiting first; one listing if there is none."""
        paths: dict[str, list[str]] = defaultdict(list)
        for info in self.objects.list("waiting"):
            paths[info.path.split("/")[1]].append(info.path)
        found = [self._waiting(run, [self._read(path) for path in sorted(each)]) for run, each in paths.items()]
        return sorted(found, key=lambda each: (each.since, each.run))

    def kept(self, run: str) -> list[Kept]:
        """What waits for one run, in order.

        Raises:
            ObjectCorruptError: an entry cannot be read.
        """
        return [Kept(info.path, self._read(info.path)) for info in self.objects.list(f"waiting/{run}")]

    def append(self, run: str, entry: Entry, reason: str) -> None:
        """Let `entry` wait behind all that waits for this run."""
        note = Note(at=dt.datetime.now(dt.UTC), reason=reason, entry=entry)
        document = note.model_dump_json(indent=1).encode()
        last = max((int(info.path[-11:-5]) for info in self.objects.list(f"waiting/{run}")), default=0)
        while not self.objects.create_exclusive(f"waiting/{run}/{last + 1:06d}.json", document):
            last += 1

    def settle(self, awaited: Awaited) -> None:
        """Forget that a partition waits: it is being materialized."""
        for waiting in self.pending():
            self.drop([each for each in self.kept(waiting.run) if each.note.entry == awaited])

    def drop(self, kept: Sequence[Kept]) -> None:
        """Forget what was said, in order: what is left after an interruption ends as the whole does."""
        for each in kept:
            self.objects.delete(each.path)

    def run_of(self, name: str) -> str:
        """The folder of a run: by its MLflow id, or by the name that it has while that is not known."""
        if name.startswith(WAITING):
            return name.removeprefix(WAITING)
        known = f"ids/{name}"
        return self.objects.read(known).decode() if self.objects.exists(known) else name

    def receipt(self, run: str) -> Receipt | None:
        """The MLflow run of a folder, once it is known."""
        path = f"runs/{run}.json"
        return Receipt.model_validate_json(self.objects.read(path)) if self.objects.exists(path) else None

    def acknowledge(self, run: str, receipt: Receipt) -> None:
        """Keep the receipt of a run, unless it is kept already."""
        if self.receipt(run) != receipt:
            self.objects.write(f"runs/{run}.json", receipt.model_dump_json().encode())
        if not self.objects.exists(f"ids/{receipt.run_id}"):
            self.objects.write(f"ids/{receipt.run_id}", run.encode())

    def _read(self, path: str) -> Note:
        try:
            return Note.model_validate_json(self.objects.read(path))
        except ValidationError as error:
            raise ObjectCorruptError(
                f"{self.objects.uri_of(path)} cannot be read.",
                expected="an entry that waits for MLflow",
                got=str(error).splitlines()[0],
                kept="It is left there, and what waits behind it waits on.",
                remedy="Restore it from a backup, or delete it: MLflow will then lack what it said.",
            ) from error

    def _waiting(self, run: str, notes: Sequence[Note]) -> Waiting:
        receipt = self.receipt(run)
        key = next((note.entry.key for note in notes if isinstance(note.entry, Opened)), None)
        awaited = tuple(
            Delayed(note.entry.asset, note.entry.job, note.entry.partition, note.at)
            for note in notes
            if isinstance(note.entry, Awaited)
        )
        return Waiting(
            run=run,
            asset=key.asset if key else receipt.asset if receipt else "",
            partition=key.partition if key else receipt.partition if receipt else "",
            entries=sum(not isinstance(note.entry, Awaited) for note in notes),
            since=min(note.at for note in notes),
            reason=notes[-1].reason,
            awaited=awaited,
        )
