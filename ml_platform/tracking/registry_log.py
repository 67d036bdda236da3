"""The log of a registered model: everything that was decided about it, in order, each entry sealed to the one before.

Belongs here: entries, their chain, and how one is appended when others append too. Does not: what follows from them
(`standing`), or who may decide (`registry`).

One entry is one object that is created exclusively under its sequence number: nothing is ever overwritten, and of two
writers that want the same number one has to look again.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from urllib.parse import quote
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_platform.errors import RegistryLogTamperedError
from ml_platform.storage.objects import ObjectStore

Action = Literal["registered", "gate_approved", "gate_refused", "approved", "rejected", "promoted", "rolled_back"]
BEFORE_THE_FIRST = "0" * 64
"""What the first entry names as the hash of the entry before it."""
_NAME = re.compile(r"\d{8}\.json")


class ModelFacts(BaseModel):
    """What a version is; never changes."""

    model_config = ConfigDict(frozen=True)

    as_of: dt.date = Field(description="First day of the as-of month: trained on what was known before it.")
    uri: str = Field(description="Where the platform's canonical model bytes are.")
    sha256: str = Field(description="Hash of these bytes, in hexadecimal.")
    fingerprint: str = Field(description="Hash of everything that the model follows from.")
    run_id: str = Field(description="MLflow run that made it.")
    snapshot: Mapping[str, int] = Field(
        default_factory=dict, description="Version of each table that it was made from; retention keeps these."
    )


class Entry(NamedTuple):
    """What is to be written down: about which version, what, by whom, why."""

    version: int
    action: Action
    by: str
    reason: str = ""
    facts: ModelFacts | None = None
    instead: int | None = None


class RegistryEvent(BaseModel):
    """One entry of the log of a model."""

    model_config = ConfigDict(frozen=True)

    sequence: int = Field(description="Place in the log, from 1.")
    id: str = Field(description="Random; by it a writer knows its own entry again after an answer was lost.")
    at: dt.datetime = Field(description="Instant (UTC) at which it was written.")
    model: str = Field(description="Name of the model in the registry.")
    version: int = Field(description="The version that it is about.")
    action: Action = Field(description="What happened.")
    by: str = Field(description="Who did it: a person, or a Dagster run.")
    reason: str = Field(description="Why.")
    facts: ModelFacts | None = Field(None, description="What the version is; with `registered` only.")
    instead: int | None = Field(None, description="The version that answers instead; with `rolled_back` only.")
    previous_sha256: str = Field(description="Hash of the entry before it.")
    sha256: str = Field(description="Hash of all of this entry but itself.")


class Head(NamedTuple):
    """The last entry of a log, as it is written down outside of the log."""

    sequence: int
    sha256: str

    @classmethod
    def parse(cls, text: str) -> "Head":
        """The head that `str` of it gave."""
        sequence, _, sha256 = text.partition(" ")
        return cls(int(sequence), sha256)

    def __str__(self) -> str:
        return f"{self.sequence} {self.sha256}"


def folder_of(model: str) -> str:
    """Name of the folder with the log of a model."""
    return quote(model, safe=" ")


@dataclass(frozen=True)
class RegistryLog:
    """The log of `model`, one object for each entry below `objects`."""

    objects: ObjectStore
    model: str

    def events(self, head: Head | None = None) -> list[RegistryEvent]:
        """Every entry, oldest first, once the whole chain holds and reaches at least to `head`.

        Raises:
            RegistryLogTamperedError: an entry was changed, removed, put in, moved, or cut off; the first one is named.
        """
        events: list[RegistryEvent] = []
        for sequence in range(1, self._last() + 1):
            previous = events[-1].sha256 if events else BEFORE_THE_FIRST
            events.append(self._checked(sequence, self._document_of(sequence), previous))
        if head is not None and len(events) < head.sequence:
            raise self._broken(len(events) + 1, f"entries {len(events) + 1} to {head.sequence} were cut off the end")
        if head is not None and events[head.sequence - 1].sha256 != head.sha256:
            raise self._broken(head.sequence, f"entry {head.sequence} is another one than MLflow has noted")
        return events

    def record(
        self, decide: Callable[[Sequence[RegistryEvent]], Entry | None], head: Head | None = None
    ) -> list[RegistryEvent]:
        """The log after `decide`, which sees it as it is and says what to add, or None. Asked again if others added.

        Raises:
            RegistryLogTamperedError: the log cannot be trusted; nothing is added to it.
        """
        own = uuid4().hex
        while True:
            events = self.events(head)
            if any(each.id == own for each in events):
                return events
            entry = decide(events)
            if entry is None:
                return events
            event = self._sealed(entry, own, events)
            if self.objects.create_exclusive(self._path(event.sequence), _document(event.model_dump(mode="json"))):
                return [*events, event]

    def _last(self) -> int:
        """Greatest sequence number in use. A listing may miss what is written meanwhile, so gaps are asked for."""
        prefix = f"{self._folder}/"
        names = [each.path for each in self.objects.list(self._folder) if each.path.startswith(prefix)]
        if strangers := [name for name in names if not _NAME.fullmatch(name.removeprefix(prefix))]:
            raise self._broken(len(names), f"{strangers[0]} does not belong there")
        return max((int(name.removeprefix(prefix)[:8]) for name in names), default=0)

    def _document_of(self, sequence: int) -> bytes:
        try:
            return self.objects.read(self._path(sequence))
        except FileNotFoundError as error:
            raise self._broken(sequence, f"entry {sequence} is missing") from error

    def _sealed(self, entry: Entry, own: str, events: Sequence[RegistryEvent]) -> RegistryEvent:
        event = RegistryEvent(
            sequence=len(events) + 1,
            id=own,
            at=dt.datetime.now(dt.UTC),
            model=self.model,
            previous_sha256=events[-1].sha256 if events else BEFORE_THE_FIRST,
            sha256="",
            **entry._asdict(),
        )
        return event.model_copy(update={"sha256": _seal(event.model_dump(mode="json"))})

    def _checked(self, sequence: int, document: bytes, previous: str) -> RegistryEvent:
        try:
            content = json.loads(document)
            event = RegistryEvent.model_validate(content)
        except (ValueError, ValidationError) as error:
            raise self._broken(sequence, f"entry {sequence} cannot be read") from error
        if event.sha256 != _seal(content):
            raise self._broken(sequence, f"entry {sequence} was changed after it was written")
        if (event.sequence, event.model) != (sequence, self.model):
            raise self._broken(sequence, f"entry {sequence} belongs elsewhere: {event.model}, {event.sequence}")
        if event.previous_sha256 != previous:
            raise self._broken(sequence, f"entry {sequence} does not follow the entry before it")
        return event

    def _broken(self, sequence: int, what: str) -> RegistryLogTamperedError:
        return RegistryLogTamperedError(
            f"The registry log of model '{self.model}' cannot be trusted: {what}",
            expected=f"entries 1 to n, each sealed to the one before, below {self.objects.uri_of(self._folder)}",
            kept="Nothing was decided. Predictions go on with the champions of their promotion records.",
            remedy=f"Restore {self.objects.uri_of(self._path(sequence))} and what follows it from a backup or from the "
            "bucket's object versions, then ask again with `ml-platform model log "
            f"{self.model}`. docs/registry.md tells how to start a new log if there is no copy.",
        )

    @property
    def _folder(self) -> str:
        return folder_of(self.model)

    def _path(self, sequence: int) -> str:
        return f"{self._folder}/{sequence:08d}.json"


def _document(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False).encode()


def _seal(content: Mapping[str, Any]) -> str:
    """SHA-256 over the content without its own hash, in hexadecimal."""
    return hashlib.sha256(_document({name: value for name, value in content.items() if name != "sha256"})).hexdigest()
