"""Where storage can be: local files, or a real S3 server; the same tests run on both."""

from pathlib import Path
from typing import Literal
from uuid import uuid4

from pydantic import SecretStr

from ml_platform.local_servers.object_server import Identity, ObjectServer
from ml_platform.settings import Settings

Kind = Literal["local", "s3"]
KINDS: tuple[Kind, ...] = ("local", "s3")
BUCKET = "lake"
_ACTIONS = (f"Read:{BUCKET}", f"Write:{BUCKET}", f"List:{BUCKET}")
WRITER = Identity("platform", "platform-key", "platform-secret", _ACTIONS)
READER = Identity("reader", "reader-key", "reader-secret", (f"Read:{BUCKET}", f"List:{BUCKET}"))


def local_settings(folder: Path) -> Settings:
    """Everything in a folder of its own."""
    return Settings(home=folder)


def s3_settings(folder: Path, server: ObjectServer, identity: Identity = WRITER, endpoint_url: str = "") -> Settings:
    """Tables, landing zone and artifacts below a prefix of their own on the server; `endpoint_url` may be a proxy."""
    prefix = f"s3://{server.bucket}/{uuid4().hex[:12]}"
    return Settings(
        home=folder,
        data_uri=f"{prefix}/tables",
        landing_uri=f"{prefix}/landing",
        artifact_uri=f"{prefix}/artifacts",
        export_uri=f"{prefix}/exports",
        s3_endpoint_url=endpoint_url or server.endpoint_url,
        s3_access_key_id=SecretStr(identity.access_key_id),
        s3_secret_access_key=SecretStr(identity.secret_access_key),
    )
