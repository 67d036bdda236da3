"""Checkpoints: where long work stood, on object storage, so that it goes on from there after a crash."""

import hashlib
import logging
from dataclasses import dataclass
from typing import NamedTuple

from ml_platform.storage.objects import ObjectStore

_log = logging.getLogger(__name__)
_DIGEST_BYTES = 32


class Checkpoint(NamedTuple):
    """State after `step` steps; `skipped` are the later steps whose checkpoints were there and could not be used."""

    step: int
    data: bytes
    skipped: tuple[int, ...] = ()


@dataclass(frozen=True)
class CheckpointStore:
    """The checkpoints of one piece of work, below `prefix`; the newest `keep` stay.

    Each object carries the sha256 of its content, so one that was cut short or changed is noticed and passed over.
    """

    objects: ObjectStore
    prefix: str
    keep: int = 2

    def save(self, step: int, data: bytes) -> None:
        """Keep the state after `step` steps, and drop all but the newest."""
        self.objects.write(self._path(step), hashlib.sha256(data).digest() + data)
        for old in self._steps()[self.keep :]:
            self.objects.delete(self._path(old))

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint whose content is what was saved; None if there is none."""
        skipped: list[int] = []
        for step in self._steps():
            stored = self.objects.read(self._path(step))
            digest, data = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
            if hashlib.sha256(data).digest() == digest:
                return Checkpoint(step, data, tuple(skipped))
            _log.warning("checkpoint %s is corrupt and passed over", self.objects.uri_of(self._path(step)))
            skipped.append(step)
        return None

    def clear(self) -> None:
        """Drop all: the work is done."""
        for step in self._steps():
            self.objects.delete(self._path(step))

    def _steps(self) -> list[int]:
        names = (info.path.rpartition("/")[2].removesuffix(".checkpoint") for info in self.objects.list(self.prefix))
        return sorted((int(name) for name in names if name.isdigit()), reverse=True)

    def _path(self, step: int) -> str:
        return f"{self.prefix}/{step:08d}.checkpoint"
