"""Passwords of servers of this machine: made at random, the same for all commands of a folder.

Belongs here: where one is kept. Does not: how a server is told of it.
"""

import fcntl
import os
import secrets
from pathlib import Path


def kept_password(folder: Path) -> str:
    """The folder's password, made when first asked for; nobody but this user can read its file."""
    path = folder / "password"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not file.read():
            file.write(secrets.token_urlsafe(24))
            file.flush()
        file.seek(0)
        return file.read()
