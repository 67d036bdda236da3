from pathlib import Path

import psutil
import pytest

from ml_platform.errors import StorageAccessError
from ml_platform.local_servers.object_server import ObjectServer, object_server
from ml_platform.storage.objects import ObjectStore
from ml_platform_tests.places import READER, WRITER, s3_settings


def store(tmp_path: Path, server: ObjectServer, identity: object = WRITER) -> ObjectStore:
    settings = s3_settings(tmp_path, server, identity)  # type: ignore[arg-type]
    return ObjectStore(f"s3://{server.bucket}/here", settings.fsspec_options("s3://"))


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    with object_server(tmp_path / "server", [WRITER]) as server:
        store(tmp_path, server).write("one", b"1")
    with object_server(tmp_path / "server", [WRITER]) as server:
        assert store(tmp_path, server).read("one") == b"1"


def test_no_process_outlives_the_block(tmp_path: Path) -> None:
    with object_server(tmp_path / "server", [WRITER]) as server:
        assert psutil.pid_exists(server.process_id)
    assert not psutil.pid_exists(server.process_id)


def test_a_reader_may_not_write(tmp_path: Path, s3: ObjectServer) -> None:
    with pytest.raises(StorageAccessError):
        store(tmp_path, s3, READER).write("one", b"1")
