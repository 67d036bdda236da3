"""One object server for all commands of a folder: the first starts it, later ones join it, the first waits for them.

Belongs here: who starts and stops it, and its credentials. Does not: the server (`object_server`), or what uses it.
"""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

import psutil

from ml_platform.errors import LocalServerError
from ml_platform.local_servers.object_server import READY_WITHIN_SECONDS, Identity, object_server

BUCKET = "lake"
_ACTIONS = tuple(f"{action}:{BUCKET}" for action in ("Read", "Write", "List"))  # nothing else, and no other bucket


class Access(NamedTuple):
    """Where the server is, and what may read, write and list its bucket, and nothing more."""

    endpoint_url: str
    bucket: str
    identity: Identity


class _Running(NamedTuple):
    """The server as its starter leaves word of it."""

    endpoint_url: str
    process_id: int
    started_at: float


@contextmanager
def shared_object_server(folder: Path) -> Iterator[Access]:
    """Access to the server whose data is below `folder`, which runs at least as long as the block.

    A server that was left behind, because its starter was killed, is stopped first.

    Raises:
        LocalServerError: the server did not come up, or whoever is starting it does not come to an end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    identity = _identity(folder)
    with (folder / "starter.lock").open("w") as starter, (folder / "users.lock").open("w") as users:
        running = _started_or_joined(folder, starter, users)
        if running is not None:
            yield Access(running.endpoint_url, BUCKET, identity)
            return
        _stop_what_was_left(folder)
        with object_server(folder, [identity], bucket=BUCKET) as server:
            started_at = psutil.Process(server.process_id).create_time()
            _word(folder).write_text(json.dumps(_Running(server.endpoint_url, server.process_id, started_at)))
            try:
                yield Access(server.endpoint_url, server.bucket, identity)
            finally:
                _word(folder).unlink()
                fcntl.flock(users, fcntl.LOCK_EX)  # those who joined may still be at work


def _started_or_joined(folder: Path, starter: IO[str], users: IO[str]) -> _Running | None:
    """The server that runs, which lasts while `users` is held; None for who holds `starter` and is to start it."""
    waits_until = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < waits_until:
        with suppress(BlockingIOError):
            fcntl.flock(starter, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        fcntl.flock(users, fcntl.LOCK_SH)
        if running := _read_word(folder):
            return running
        fcntl.flock(users, fcntl.LOCK_UN)
        time.sleep(0.1)
    raise LocalServerError(
        f"Another command has been starting or stopping the object server of {folder} for too long.",
        got=f"no answer in {READY_WITHIN_SECONDS:.0f} seconds",
        remedy="Wait until it has ended, or end it, and run this again.",
    )


def _stop_what_was_left(folder: Path) -> None:
    left = _read_word(folder)
    if left is None:
        return
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(left.process_id)
        if process.create_time() == left.started_at:
            process.terminate()
            process.wait()
    _word(folder).unlink()


def _identity(folder: Path) -> Identity:
    """The platform's credentials, made at random when first asked for; nobody but this user can read the file."""
    path = folder / "credentials.json"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not file.read():
            file.write(json.dumps([secrets.token_hex(10), secrets.token_urlsafe(30)]))
            file.flush()
        file.seek(0)
        key_id, secret = json.load(file)
    return Identity("platform", key_id, secret, _ACTIONS)


def _read_word(folder: Path) -> _Running | None:
    try:
        return _Running(*json.loads(_word(folder).read_text()))
    except (FileNotFoundError, json.JSONDecodeError):  # nobody has said anything, or not to the end
        return None


def _word(folder: Path) -> Path:
    return folder / "running.json"
