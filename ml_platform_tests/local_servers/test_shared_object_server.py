"""One server for all who use a folder, with secrets that nobody else can read."""

import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from ml_platform.local_servers.shared_object_server import Access, shared_object_server

STARTER = """
import sys
from pathlib import Path
from ml_platform.local_servers.shared_object_server import shared_object_server
with shared_object_server(Path(sys.argv[1])) as access:
    print(access.endpoint_url, flush=True)
    sys.stdin.read()
"""


def client(access: Access) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=access.endpoint_url,
        aws_access_key_id=access.identity.access_key_id,
        aws_secret_access_key=access.identity.secret_access_key,
        region_name="us-east-1",
    )


def test_those_who_come_while_it_runs_use_the_same_server(tmp_path: Path) -> None:
    everyone_is_in = Barrier(3)

    def use(_: int) -> str:
        with shared_object_server(tmp_path) as access:
            everyone_is_in.wait()
            client(access).put_object(Bucket=access.bucket, Key="one", Body=b"1")
            return access.endpoint_url

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(use, range(3)))) == 1


def test_its_credentials_stay_the_same_and_are_for_this_user_alone(tmp_path: Path) -> None:
    with shared_object_server(tmp_path) as first:
        pass
    with shared_object_server(tmp_path) as second:
        assert second.identity == first.identity
    for name in ("credentials.json", "identities.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_its_credentials_are_good_for_one_bucket_and_not_to_make_others(tmp_path: Path) -> None:
    with shared_object_server(tmp_path) as access:
        for wanted in ("create_bucket", "list_objects_v2"):
            with pytest.raises(ClientError, match="AccessDenied"):
                getattr(client(access), wanted)(Bucket="another")


def test_a_server_that_was_left_behind_is_stopped_before_another_starts(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    starter.stdout.readline()
    left = psutil.Process(starter.pid).children()[0]
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    assert left.is_running()
    with shared_object_server(tmp_path) as access:
        assert not left.is_running()
        client(access).put_object(Bucket=access.bucket, Key="one", Body=b"1")
