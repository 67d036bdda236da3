"""Objects: bytes under a URI, on local files or S3, through fsspec.

Belongs here: everything that is not a table — landing objects, models, checkpoints, reports, pins. A reader sees an
object whole or not at all. Does not belong here: what the bytes mean.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

import fsspec

from ml_platform.errors import StorageError

_TAKEN_CODES = {"PreconditionFailed", "ConditionalRequestConflict", "ObjectAlreadyExists"}
_TEMPORARY_PREFIX = ".writing-"


class ObjectInfo(NamedTuple):
    """One object: its path below the store, its size in bytes and the instant (UTC) of its last write."""

    path: str
    size: int
    modified_at: datetime


@dataclass(frozen=True)
class ObjectStore:
    """The objects below `uri` (`file://` or `s3://`); paths are relative, with slashes, and cannot leave it."""

    uri: str
    options: Mapping[str, object] = field(default_factory=dict, repr=False)

    def below(self, prefix: str) -> Self:
        """The store of the objects under `prefix`."""
        return type(self)(self.uri_of(prefix), self.options)

    def uri_of(self, path: str) -> str:
        """Full URI of `path`.

        Raises:
            StorageError: the path is absolute or steps out of the store.
        """
        if not path or path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
            raise StorageError(
                f"'{path}' is not a path below {self.uri}.",
                expected="names joined by '/', none of them '.' or '..'",
                remedy="Use a path relative to the store.",
            )
        return f"{self.uri.rstrip('/')}/{path}"

    def read(self, path: str) -> bytes:
        """Bytes of one object.

        Raises:
            FileNotFoundError: there is no such object.
        """
        data: bytes = self._filesystem().cat_file(self._target(path))
        return data

    def write(self, path: str, data: bytes) -> None:
        """Create or replace one object; a crash leaves the old one whole."""
        if self._is_local:
            temporary, target = self._write_temporary(path, data)
            temporary.replace(target)
        else:
            self._filesystem().pipe_file(self._target(path), data)

    def create_exclusive(self, path: str, data: bytes) -> bool:
        """True if this call created the object; False if it was there, which is then left as it is."""
        return self._link_new(path, data) if self._is_local else self._put_new(path, data)

    def exists(self, path: str) -> bool:
        """Whether there is such an object."""
        return bool(self._filesystem(fresh=True).isfile(self._target(path)))

    def list(self, prefix: str = "") -> list[ObjectInfo]:
        """Every object under `prefix` (all of the store by default), by path."""
        root = self._target(prefix) if prefix else self._root
        found: dict[str, dict[str, Any]] = self._filesystem(fresh=True).find(root, detail=True)
        infos = [_info(name.removeprefix(self._root).lstrip("/"), entry) for name, entry in found.items()]
        return sorted(info for info in infos if not Path(info.path).name.startswith(_TEMPORARY_PREFIX))

    def info(self, path: str) -> ObjectInfo:
        """Size and last write of one object.

        Raises:
            FileNotFoundError: there is no such object.
        """
        return _info(path, self._filesystem(fresh=True).info(self._target(path)))

    def delete(self, path: str) -> None:
        """Remove one object; it is no error if it is gone already."""
        if self.exists(path):
            self._filesystem().rm_file(self._target(path))

    @property
    def _is_local(self) -> bool:
        return "://" not in self.uri or self.uri.startswith("file://")

    @property
    def _root(self) -> str:
        return self.uri.split("://", 1)[-1].rstrip("/")

    def _target(self, path: str) -> str:
        return self.uri_of(path).split("://", 1)[-1]

    def _filesystem(self, *, fresh: bool = False) -> Any:
        filesystem = fsspec.filesystem("file" if self._is_local else self.uri.split("://", 1)[0], **self.options)
        if fresh:
            filesystem.invalidate_cache()
        return filesystem

    def _write_temporary(self, path: str, data: bytes) -> tuple[Path, Path]:
        target = Path(self._target(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY_PREFIX, dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        return Path(name), target

    def _link_new(self, path: str, data: bytes) -> bool:
        temporary, target = self._write_temporary(path, data)
        try:
            target.hardlink_to(temporary)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True

    def _put_new(self, path: str, data: bytes) -> bool:
        try:
            self._filesystem().pipe_file(self._target(path), data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            response = getattr(error.__cause__, "response", None) or {}
            if response.get("Error", {}).get("Code") in _TAKEN_CODES:
                return False
            raise
        return True


def _info(path: str, entry: Mapping[str, Any]) -> ObjectInfo:
    written = entry.get("LastModified", entry.get("mtime"))
    at = written.astimezone(UTC) if isinstance(written, datetime) else datetime.fromtimestamp(float(written or 0), UTC)
    return ObjectInfo(path, int(entry["size"]), at)
