"""Objects: bytes under a URI, on local files or S3, through fsspec.

Belongs here: everything that is not a table — landing objects, models, checkpoints, reports, pins. A reader sees an
object whole or not at all. Does not belong here: what the bytes mean.
"""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Self, TypeVar

import fsspec
from fsspec.utils import tokenize

from ml_platform.errors import StorageError
from ml_platform.storage.failures import Place, explained, persistently

_TAKEN_CODES = {"PreconditionFailed", "ConditionalRequestConflict", "ObjectAlreadyExists"}
_TEMPORARY_PREFIX = ".writing-"

Result = TypeVar("Result")


class ObjectInfo(NamedTuple):
    """One object: its path below the store, its size in bytes and the instant (UTC) of its last write.

    Every write gives it another `stamp`, which is cheap to have and says nothing of the content: two writes of the same
    bytes have two.
    """

    path: str
    size: int
    modified_at: datetime
    stamp: str = ""


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
        target = self._target(path)
        if self._is_local:
            return self._do(lambda: _found(Path(target)).read_bytes())
        # one request: s3fs would first ask for the size, to read large objects in parallel parts
        data: bytes = self._do(lambda: self._s3.cat_file(target, max_concurrency=1))
        return data

    def write(self, path: str, data: bytes) -> None:
        """Create or replace one object; a crash leaves the old one whole."""
        target = self._target(path)
        self._do(lambda: self._replace(path, data) if self._is_local else self._s3.pipe_file(target, data))

    def create_exclusive(self, path: str, data: bytes) -> bool:
        """True if this call created the object; False if it was there, which is then left as it is."""
        target = self._target(path)
        if self._is_local:
            return self._do(lambda: self._link_new(path, data))
        attempts = count()
        return self._do(lambda: self._put_new(target, data, next(attempts)))

    def exists(self, path: str) -> bool:
        """Whether there is such an object."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def list(self, prefix: str = "") -> list[ObjectInfo]:
        """Every object under `prefix` (all of the store by default), by path."""
        return [info for info in self._find(prefix) if not _is_temporary(info)]

    def unfinished(self, prefix: str = "") -> Sequence[ObjectInfo]:
        """What writers under `prefix` have begun and not finished, by path: at work still, or killed. None on S3."""
        return [info for info in self._find(prefix) if _is_temporary(info)]

    def info(self, path: str) -> ObjectInfo:
        """Size and last write of one object.

        Raises:
            FileNotFoundError: there is no such object.
        """
        target = self._target(path)
        return _info(path, self._do(lambda: self._stat(target) if self._is_local else self._head(target)))

    def delete(self, path: str) -> None:
        """Remove one object; it is no error if it is gone already."""
        target = self._target(path)
        if self._is_local:
            self._do(lambda: Path(target).unlink(missing_ok=True))
        else:
            self._do(lambda: self._s3.call_s3("delete_object", **_bucket_and_key(target)))

    def _find(self, prefix: str) -> Sequence[ObjectInfo]:
        root = self._target(prefix) if prefix else self._root
        filesystem = fsspec.filesystem("file") if self._is_local else self._s3
        found: dict[str, dict[str, Any]] = self._do(lambda: filesystem.find(root, detail=True))
        files = {name: entry for name, entry in found.items() if entry["type"] != "directory"}
        return sorted(_info(name.removeprefix(self._root).lstrip("/"), entry) for name, entry in files.items())

    @property
    def _is_local(self) -> bool:
        return "://" not in self.uri or self.uri.startswith("file://")

    @property
    def _root(self) -> str:
        return self.uri.split("://", 1)[-1].rstrip("/")

    def _target(self, path: str) -> str:
        return self.uri_of(path).split("://", 1)[-1]

    @property
    def _s3(self) -> Any:
        return _CONNECTIONS.of(self.options)

    def _do(self, work: Callable[[], Result]) -> Result:
        """The result of `work`; failures that may pass are met with patience, the others are told."""
        endpoint: Any = self.options.get("client_kwargs", {})
        patience: Any = self.options.get("retry_seconds", 0.0)
        with explained(Place(self.uri, endpoint.get("endpoint_url"))):
            return persistently(work, patience)

    def _stat(self, target: str) -> Mapping[str, Any]:
        found = _found(Path(target)).stat()
        return {"size": found.st_size, "mtime": found.st_mtime, "created": found.st_ctime}

    def _head(self, target: str) -> Mapping[str, Any]:
        head: Callable[[], Mapping[str, Any]] = partial(self._s3.call_s3, "head_object", **_bucket_and_key(target))
        try:
            found = head()
        except (FileNotFoundError, PermissionError):
            self._s3.cat_file(target, max_concurrency=1)  # the answer to a HEAD has no body that says why; this has
            found = head()  # the object is there after all
        return {"size": found["ContentLength"], "LastModified": found["LastModified"], "ETag": found["ETag"]}

    def _replace(self, path: str, data: bytes) -> None:
        temporary, target = self._write_temporary(path, data)
        temporary.replace(target)

    def _write_temporary(self, path: str, data: bytes) -> tuple[Path, Path]:
        target = Path(self._target(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY_PREFIX, dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except OSError:
            Path(name).unlink()  # on a full disk, half an object is in the way
            raise
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

    def _put_new(self, target: str, data: bytes, attempt: int) -> bool:
        try:
            self._s3.pipe_file(target, data, mode="create")
        except OSError as error:
            response = getattr(error.__cause__, "response", None) or {}
            if not isinstance(error, FileExistsError) and response.get("Error", {}).get("Code") not in _TAKEN_CODES:
                raise
            # an attempt before this one may have created it, although its answer never came
            return attempt > 0 and bool(self._s3.cat_file(target, max_concurrency=1) == data)
        return True


def _found(path: Path) -> Path:
    """The path of an object; in an object store, folders are none."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there")
    return path


class _Connections:
    """The s3fs file systems of this process by their options; all its threads share them.

    A forked process makes its own, since connections and the event loop behind them stay its parent's. Those of the
    parent are kept, unused: closing them would need that loop.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[int, str], Any] = {}
        self.renew_lock()

    def renew_lock(self) -> None:
        """A thread of the parent may have held the lock when this process was forked."""
        self._lock = Lock()

    def of(self, options: Mapping[str, object]) -> Any:
        """The file system for `options`, connected."""
        key = (os.getpid(), tokenize(options))
        with self._lock:
            if key not in self._made:
                self._made[key] = _connect(options)
        return self._made[key]


_CONNECTIONS = _Connections()
os.register_at_fork(after_in_child=_CONNECTIONS.renew_lock)


def _connect(options: Mapping[str, object]) -> Any:
    from aiobotocore.session import AioSession
    from botocore.handlers import add_expect_header

    session = AioSession()
    session.unregister("before-call.s3", add_expect_header)  # aiohttp waits for the answer to it without a timeout
    own = {"session": session, "use_listings_cache": False, "skip_instance_cache": True}
    filesystem = fsspec.filesystem(
        "s3", **{name: value for name, value in options.items() if name != "retry_seconds"}, **own
    )
    filesystem.retries = 1  # `persistently` tries again
    filesystem.connect()
    return filesystem


def _bucket_and_key(target: str) -> dict[str, str]:
    bucket, _, key = target.partition("/")
    return {"Bucket": bucket, "Key": key}


def _is_temporary(info: ObjectInfo) -> bool:
    return Path(info.path).name.startswith(_TEMPORARY_PREFIX)


def _info(path: str, entry: Mapping[str, Any]) -> ObjectInfo:
    written = entry.get("LastModified", entry.get("mtime"))
    at = written.astimezone(UTC) if isinstance(written, datetime) else datetime.fromtimestamp(float(written or 0), UTC)
    writing = entry.get("ETag") or f"{entry.get('created', 0):.6f}"  # no tool sets the latter, unlike the last write
    return ObjectInfo(path, int(entry["size"]), at, f"{entry['size']} {at.isoformat()} {writing}")
