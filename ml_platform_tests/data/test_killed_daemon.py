"""Whenever the daemon is killed, each landing object is asked for once; more kills in `killed_daemon` by itself."""

import subprocess
import sys


def test_each_object_is_ingested_once_whenever_the_daemon_is_killed() -> None:
    told = subprocess.run(  # a process of its own: its children are forked, and fork suits no process with threads
        [sys.executable, "-m", "ml_platform_tests.data.killed_daemon", "4", "40"], capture_output=True, check=True
    )
    assert b"40 objects: 40 ingested, 0 of them twice" in told.stdout
    assert b"40 keys: 40 ingested, 0 of them twice" in told.stdout
