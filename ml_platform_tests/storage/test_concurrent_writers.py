"""Writers in processes of their own; spawned, because a forked child has no polars threads."""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, ItemsView

import pytest

from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore
from ml_platform_tests.storage.scenario import TABLE, publish, publish_each, readings

WRITERS, EACH = 8, 25
DAYS = [f"2013-{month:02d}-{day:02d}" for month in range(1, WRITERS + 1) for day in range(1, EACH + 1)]


class DyingMapping(dict[str, str]):
    """Kills its process when the commit is about to be written: every data file is there, the log is not."""

    def items(self) -> ItemsView[str, str]:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().items()


def publish_and_die(settings: Settings) -> None:
    dying = DyingMapping(run_id="r")
    TableStore.from_settings(settings).publish(TABLE, readings().clear(), ["2013-01-01"], key="day", commit=dying)


def publish_each_as_on_a_machine_of_its_own(settings: Settings, writer: int, days: list[str]) -> None:
    tempfile.tempdir = tempfile.mkdtemp(dir=settings.home)  # takes turns with nobody
    publish_each(settings, writer, days)


def run_all(function: Callable[..., None], *arguments: tuple[object, ...]) -> list[int | None]:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=function, args=args) for args in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def test_200_partitions_of_one_table_by_8_writers_at_once_all_land(anywhere: Settings) -> None:
    shares = [DAYS[writer * EACH : (writer + 1) * EACH] for writer in range(WRITERS)]
    exits = run_all(publish_each, *((anywhere, writer, days) for writer, days in enumerate(shares)))
    assert exits == [0] * WRITERS
    store = TableStore.from_settings(anywhere)
    assert list(store.partitions(TABLE)) == DAYS
    assert [commit.version for commit in store.history(TABLE)] == list(reversed(range(len(DAYS))))
    written_by = store.scan(TABLE).select("reading").collect()["reading"].to_list()
    assert written_by == [float(writer) for writer in range(WRITERS) for _ in range(EACH * 3)]


@pytest.mark.parametrize("writer", [publish_each, publish_each_as_on_a_machine_of_its_own])
def test_of_writers_of_one_partition_one_stands_whole(anywhere: Settings, writer: Callable[..., None]) -> None:
    assert run_all(writer, *((anywhere, number, DAYS[:3]) for number in range(3))) == [0] * 3
    store = TableStore.from_settings(anywhere)
    assert len(store.history(TABLE)) == 9
    for day in DAYS[:3]:
        rows = store.scan(TABLE, partitions=[day]).collect()
        assert rows.height == 3
        assert rows["reading"].n_unique() == 1


def test_a_writer_killed_before_its_commit_changes_nothing_that_a_reader_sees(anywhere: Settings) -> None:
    store = TableStore.from_settings(anywhere)
    publish(store, readings())
    assert run_all(publish_and_die, (anywhere,)) == [-signal.SIGKILL]
    assert store.version(TABLE) == 0
    assert store.scan(TABLE).collect().equals(readings())
    assert publish(store, readings().clear(), ["2013-01-01"]).version == 1
