"""Writers in processes of their own; spawned, because a forked child has no polars threads."""

import multiprocessing
import os
import signal
from collections.abc import Callable, ItemsView
from pathlib import Path

from ml_platform_tests.storage.scenario import TABLE, publish, publish_each, readings, table_store

WRITERS = 4
DAYS = [f"2013-01-{day:02d}" for day in range(1, 11)]


class DyingMapping(dict[str, str]):
    """Kills its process when the commit is about to be written: every data file is there, the log is not."""

    def items(self) -> ItemsView[str, str]:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().items()


def publish_and_die(folder: str) -> None:
    table_store(Path(folder)).publish(
        TABLE, readings().clear(), ["2013-01-01"], key="day", commit=DyingMapping(run_id="r")
    )


def run_all(function: Callable[..., None], *arguments: tuple[object, ...]) -> list[int | None]:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=function, args=args) for args in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def days_of_month(month: int) -> list[str]:
    return [day.replace("-01-", f"-{month:02d}-") for day in DAYS]


def test_writers_of_different_partitions_all_land(tmp_path: Path) -> None:
    exits = run_all(publish_each, *((str(tmp_path), writer, days_of_month(writer + 1)) for writer in range(WRITERS)))
    assert exits == [0] * WRITERS
    store = table_store(tmp_path)
    assert set(store.partitions(TABLE)) == {day for writer in range(WRITERS) for day in days_of_month(writer + 1)}
    assert len(store.history(TABLE)) == WRITERS * len(DAYS)


def test_of_writers_of_one_partition_one_stands_whole(tmp_path: Path) -> None:
    assert run_all(publish_each, *((str(tmp_path), writer, DAYS[:3]) for writer in range(WRITERS))) == [0] * WRITERS
    store = table_store(tmp_path)
    for day in DAYS[:3]:
        rows = store.scan(TABLE, partitions=[day]).collect()
        assert rows.height == 3
        assert rows["reading"].n_unique() == 1


def test_a_writer_killed_before_its_commit_changes_nothing_that_a_reader_sees(tmp_path: Path) -> None:
    store = table_store(tmp_path)
    publish(store, readings())
    assert run_all(publish_and_die, (str(tmp_path),)) == [-signal.SIGKILL]
    assert store.version(TABLE) == 0
    assert store.scan(TABLE).collect().equals(readings())
    assert publish(store, readings().clear(), ["2013-01-01"]).version == 1
