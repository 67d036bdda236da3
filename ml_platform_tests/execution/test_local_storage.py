"""Instance storage: as Dagster's own, but faster, shared by processes, and whole after a crash."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.events.log import EventLogEntry

from ml_platform.execution.connections import SqliteFile
from ml_platform.execution.instance import EVENT_BATCH_SIZE
from ml_platform_tests.execution.instances import materialization, platform_instance

KEY = dg.AssetKey("flights")
DAYS = [f"2013-01-{day:02}" for day in range(1, 32)]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with platform_instance(tmp_path) as instance:
        yield instance


def entry(event: dg.AssetMaterialization, run_id: str) -> EventLogEntry:
    """The log entry of one materialization in a run."""
    data = StepMaterializationData(event)
    dagster_event = DagsterEvent("ASSET_MATERIALIZATION", "a_job", event_specific_data=data)
    return EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level="DEBUG",
        user_message="",
        run_id=run_id,
        timestamp=time.time(),
        dagster_event=dagster_event,
    )


def write_forever(folder: Path) -> None:
    """Batches of ten events, until somebody kills the process."""
    with platform_instance(folder) as instance:
        for number in range(1_000_000):
            run_id = f"{os.getpid()}-{number}"
            instance.event_log_storage.store_event_batch([entry(materialization(day), run_id) for day in DAYS[:10]])


def write_some(folder: Path, count: int) -> None:
    """`count` single events."""
    with platform_instance(folder) as instance:
        for number in range(count):
            instance.report_runless_asset_event(materialization(f"{os.getpid()}-{number}"))


def materialized(instance: dg.DagsterInstance) -> list[str]:
    """Partitions of all materialization events, oldest first."""
    records = instance.fetch_materializations(KEY, limit=10_000, ascending=True).records
    return [record.partition_key or "" for record in records]


def test_a_batch_is_stored_in_order(instance: dg.DagsterInstance) -> None:
    instance.event_log_storage.store_event_batch([entry(materialization(day), "run") for day in DAYS])
    assert materialized(instance) == DAYS


def test_the_last_event_of_a_batch_is_the_latest_of_its_asset(instance: dg.DagsterInstance) -> None:
    instance.event_log_storage.store_event_batch([entry(materialization(day), "run") for day in DAYS])
    latest = instance.get_latest_materialization_event(KEY)
    assert latest is not None
    assert latest.asset_materialization == materialization(DAYS[-1])


def test_data_versions_of_a_batch_are_found_by_partition(instance: dg.DagsterInstance) -> None:
    events = [entry(materialization(day, version), "run") for version in "ab" for day in DAYS]
    instance.event_log_storage.store_event_batch(events)
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        KEY, dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
    )
    assert tags == {day: {"dagster/data_version": "b"} for day in DAYS}


def test_a_batch_with_an_event_that_cannot_be_stored_leaves_nothing(instance: dg.DagsterInstance) -> None:
    unstorable = entry(materialization("2013-02-01"), "run")._replace(timestamp="not a time")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        instance.event_log_storage.store_event_batch([entry(materialization(DAYS[0]), "run"), unstorable])
    assert materialized(instance) == []


def test_events_of_a_run_over_many_partitions_are_written_in_batches(instance: dg.DagsterInstance) -> None:
    assert instance._is_batch_writing_enabled()
    assert instance._get_event_batch_size() == EVENT_BATCH_SIZE


def test_several_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_some, args=(tmp_path, 40)) for _ in range(3)]
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
