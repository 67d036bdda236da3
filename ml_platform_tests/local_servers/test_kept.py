"""A server that dies is there again, at the same address, and what it had started is gone."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil

from ml_platform.local_servers.kept import Running, kept
from ml_platform.local_servers.process_trees import end, family
from ml_platform.local_servers.program import program
from ml_platform.local_servers.shared_object_server import Access, shared_object_server
from ml_platform_tests.drills.platform import until
from ml_platform_tests.local_servers.test_shared_object_server import client

WITH_A_CHILD = (
    "import subprocess, sys, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
)


def objects(access: Access) -> list[str]:
    return [each["Key"] for each in client(access).list_objects_v2(Bucket=access.bucket).get("Contents", [])]


def test_a_server_that_is_killed_is_there_again_at_its_address_with_its_data(tmp_path: Path) -> None:
    with shared_object_server(tmp_path) as access:
        client(access).put_object(Bucket=access.bucket, Key="one", Body=b"1")
        os.kill(int((tmp_path / "running.json").read_text().split(",")[1]), signal.SIGKILL)
        assert objects(access) == ["one"]  # its client tries again for some seconds


@contextmanager
def started(folder: Path, leaves: bool, _: int) -> Iterator[Running]:
    with program(folder, [sys.executable, "-c", WITH_A_CHILD], {}, "here", leaves=leaves) as running:
        yield running


def child(folder: Path, number: int) -> int:
    log = folder / "server.log"
    return until("the child is there", lambda: int((log.read_text().split() + ["0"] * 9)[number]))


def test_what_a_dead_program_left_is_ended_before_the_next_begins(tmp_path: Path) -> None:
    known = list[Running]()
    with kept(partial(started, tmp_path, False), known.append):
        first = child(tmp_path, 0)
        os.kill(known[0].process_id, signal.SIGKILL)
        assert child(tmp_path, 1) != first
        assert not psutil.pid_exists(first)
    assert not psutil.pid_exists(child(tmp_path, 1))


def test_what_goes_on_without_its_program_is_left_alone(tmp_path: Path) -> None:
    known = list[Running]()
    with kept(partial(started, tmp_path, True), known.append):
        first = child(tmp_path, 0)
        os.kill(known[0].process_id, signal.SIGKILL)
        child(tmp_path, 1)
        assert psutil.pid_exists(first)
    end(family(known[0].process_id))
    assert not psutil.pid_exists(first)
