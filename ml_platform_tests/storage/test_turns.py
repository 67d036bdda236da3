import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml_platform.storage import turns
from ml_platform.storage.turns import turn


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_writers_of_one_table_go_one_after_the_other() -> None:
    writing, most = threading.Semaphore(1), list[bool]()

    def write(_: int) -> None:
        with turn("s3://lake/toy"):
            alone = writing.acquire(blocking=False)
            time.sleep(0.01)
            most.append(alone)
            if alone:
                writing.release()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(12)))
    assert most == [True] * 12


def test_a_writer_that_has_waited_long_enough_goes_on_without_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_LONGEST_WAIT_SECONDS", 0.05)
    with turn("s3://lake/toy"), turn("s3://lake/toy"):
        reached = True
    assert reached


def test_a_writer_that_cannot_have_a_lock_file_goes_on_without_one(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(locks / "missing"))
    with turn("s3://lake/toy"):
        assert list(locks.iterdir()) == []


def test_a_turn_ends_with_its_block_also_where_the_writer_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_LONGEST_WAIT_SECONDS", 60.0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), turn("s3://lake/toy"):
            raise ZeroDivisionError


def test_lock_files_are_few_however_many_tables_there_are(locks: Path) -> None:
    for number in range(600):
        with turn(f"s3://lake/{number}"):
            pass
    assert len(list(locks.iterdir())) <= 256
