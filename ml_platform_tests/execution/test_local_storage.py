"""Instance storage on SQLite: shared by processes, and whole after a crash."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

from ml_platform.execution.connections import SqliteFile
from ml_platform_tests.execution.instances import (
    DAYS,
    entry,
    materialization,
    materialized,
    platform_instance,
    write_some,
)


def write_forever(folder: Path) -> None:
    """Batches of ten events, until somebody kills the process."""
    with platform_instance(folder) as instance:
        for number in range(1_000_000):
            run_id = f"{os.getpid()}-{number}"
            instance.event_log_storage.store_event_batch([entry(materialization(day), run_id) for day in DAYS[:10]])


def test_several_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_some, args=(platform_instance, tmp_path, 40)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with platform_instance(tmp_path) as instance:
        assert len(set(materialized(instance))) == 3 * 40


def test_a_killed_writer_leaves_whole_batches_and_a_sound_file(tmp_path: Path) -> None:
    writer = multiprocessing.get_context("spawn").Process(target=write_forever, args=(tmp_path,), daemon=True)
    writer.start()
    with platform_instance(tmp_path) as instance:
        while len(materialized(instance)) < 500:
            assert writer.is_alive()
            time.sleep(0.02)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
    with platform_instance(tmp_path) as instance:
        assert len(materialized(instance)) % 10 == 0
        instance.report_runless_asset_event(materialization("after"))
        assert materialized(instance)[-1] == "after"
    with SqliteFile(tmp_path / "event_log.db").transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_a_forked_child_opens_its_own_connection(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "a.db")
    with file.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
    parents = file.engine
    pid = os.fork()
    if pid == 0:
        with file.transaction() as connection:
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        os._exit(0 if file.engine is not parents else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with file.transaction() as connection:
        assert connection.exec_driver_sql("SELECT x FROM t").scalar() == 1
