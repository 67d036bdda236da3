"""Checkpoints: where long work stood, on object storage, so that it goes on from there after a crash."""

import hashlib
import logging
from dataclasses import dataclass
from typing import NamedTuple

from ml_platform.storage.objects import ObjectStore

_log = logging.getLogger(__name__)
_DIGEST_BYTES = 32


class Checkpoint(NamedTuple):
    """State after `step` steps; `skipped` are the later steps whose checkpoints were there and could not be used.

    At step 0, where work begins, there is no state.
    """

    step: int
    data: bytes
    skipped: tuple[int, ...] = ()


@dataclass(frozen=True)
class CheckpointStore:
    """The checkpoints of one piece of work, below `prefix`; the newest `keep` stay.

    Each object carries a hash of its content, its step and what it is `of`, so that one which was cut short, changed or
    put there from elsewhere is noticed and passed over.
    """

    objects: ObjectStore
    prefix: str
    keep: int = 2
    of: str = ""

    def save(self, step: int, data: bytes) -> None:
        """Keep the state after `step` steps, and drop all but the newest."""
        self.objects.write(self._path(step), self._digest(step, data) + data)
        for old in self._steps()[self.keep :]:
            self.objects.delete(self._path(old))

    def latest(self) -> Checkpoint:
        """The newest checkpoint whose content is what was saved; that of step 0 if there is none."""
        skipped: list[int] = []
        for step in self._steps():
            try:
                stored = self.objects.read(self._path(step))
            except FileNotFoundError:
                continue  # somebody who does the same work has dropped it meanwhile
            digest, data = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
            if self._digest(step, data) == digest:
                return Checkpoint(step, data, tuple(skipped))
            _log.warning("checkpoint %s is corrupt and passed over", self.objects.uri_of(self._path(step)))
            skipped.append(step)
        return Checkpoint(0, b"", tuple(skipped))

    def clear(self) -> None:
        """Drop all: the work is done."""
        for step in self._steps():
            self.objects.delete(self._path(step))

    def _digest(self, step: int, data: bytes) -> bytes:
        return hashlib.sha256(f"{self.of}/{step}\0".encode() + data).digest()

    def _steps(self) -> list[int]:
        names = (info.path.rpartition("/")[2].removesuffix(".checkpoint") for info in self.objects.list(self.prefix))
        return sorted((int(name) for name in names if name.isdigit()), reverse=True)

    def _path(self, step: int) -> str:
        return f"{self.prefix}/{step:08d}.checkpoint"
