"""Whenever the daemon is killed, each landing object is asked for once; `killed_daemon` by itself does more."""

from pathlib import Path

from ml_platform_tests.data.killed_daemon import ingest


def test_each_object_is_ingested_once_whenever_the_daemon_is_killed(tmp_path: Path) -> None:
    done = ingest(tmp_path, kills=5, objects=30)
    days = [day for covered in done.runs.values() for day in covered]
    assert len(days) == len(set(days)) == 30
    assert done.killed > 0
