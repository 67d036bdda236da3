"""The object server of a folder, for all commands that use it, with credentials that stay the same.

Belongs here: its credentials. Does not: the server (`object_server`), or who starts and stops it (`shared`).
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ml_platform.local_servers.kept import Running
from ml_platform.local_servers.object_server import Identity, object_server
from ml_platform.local_servers.shared import shared

BUCKET = "lake"
_ACTIONS = tuple(f"{action}:{BUCKET}" for action in ("Read", "Write", "List"))  # nothing else, and no other bucket


class Access(NamedTuple):
    """Where the server is, and what may read, write and list its bucket, and nothing more."""

    endpoint_url: str
    bucket: str
    identity: Identity


@contextmanager
def shared_object_server(folder: Path) -> Iterator[Access]:
    """Access to the server whose data is below `folder`, which runs at least as long as the block.

    Raises:
        LocalServerError: the server did not come up, or whoever is starting it does not come to an end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    identity = _identity(folder)
    with shared(folder, partial(_started, folder, identity)) as running:
        yield Access(running.address, BUCKET, identity)


@contextmanager
def _started(folder: Path, identity: Identity, port: int) -> Iterator[Running]:
    with object_server(folder, [identity], bucket=BUCKET, port=port) as server:
        yield Running(server.endpoint_url, server.process_id)


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
