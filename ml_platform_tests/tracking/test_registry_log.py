"""The log of a model: one chain whoever appends, and every change from outside is noticed."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml_platform.errors import RegistryLogTamperedError
from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.registry_log import Entry, Head, RegistryEvent, RegistryLog

WRITERS, ENTRIES_EACH = 6, 3


def log_in(folder: Path, entries: int = 4) -> tuple[RegistryLog, Head]:
    """A log with some entries, and its head."""
    log = RegistryLog(ObjectStore(f"file://{folder}"), "delay")
    for number in range(1, entries + 1):
        events = log.record(lambda _, number=number: Entry(number, "registered", "someone", f"reason {number}"))  # type: ignore[misc]
    return log, Head(entries, events[-1].sha256)


def entry(folder: Path, sequence: int) -> Path:
    return folder / "delay" / f"{sequence:08d}.json"


def change(folder: Path) -> None:
    path = entry(folder, 2)
    path.write_text(path.read_text().replace("reason 2", "reason 9"))


def change_and_seal_again(folder: Path) -> None:
    """What somebody does who knows how an entry is sealed, but not what follows from it."""
    other = folder / "other"
    log_in(other, entries=3)
    entry(folder, 2).write_bytes(entry(other, 2).read_bytes())


def delete(folder: Path) -> None:
    entry(folder, 2).unlink()


def delete_the_first(folder: Path) -> None:
    entry(folder, 1).unlink()


def insert(folder: Path) -> None:
    for sequence in (4, 3, 2):
        entry(folder, sequence).rename(entry(folder, sequence + 1))
    entry(folder, 2).write_bytes(entry(folder, 1).read_bytes())


def put_a_stranger_in(folder: Path) -> None:
    (folder / "delay" / "00000001-bis.json").write_bytes(entry(folder, 1).read_bytes())


def reorder(folder: Path) -> None:
    entry(folder, 2).rename(folder / "aside")
    entry(folder, 3).rename(entry(folder, 2))
    (folder / "aside").rename(entry(folder, 3))


def cut_the_end_off(folder: Path) -> None:
    entry(folder, 4).unlink()


def empty(folder: Path) -> None:
    for sequence in range(1, 5):
        entry(folder, sequence).unlink()


def add_a_field(folder: Path) -> None:
    content = json.loads(entry(folder, 2).read_bytes())
    entry(folder, 2).write_text(json.dumps({**content, "approved": True}))


def tear(folder: Path) -> None:
    entry(folder, 2).write_bytes(entry(folder, 2).read_bytes()[:40])


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (change, "entry 2 was changed"),
        (change_and_seal_again, "entry 2 does not follow"),
        (add_a_field, "entry 2 was changed"),
        (tear, "entry 2 cannot be read"),
        (delete, "entry 2 is missing"),
        (delete_the_first, "entry 1 is missing"),
        (insert, "entry 2 belongs elsewhere"),
        (put_a_stranger_in, "00000001-bis.json does not belong there"),
        (reorder, "entry 2 belongs elsewhere"),
        (cut_the_end_off, "entries 4 to 4 were cut off"),
        (empty, "entries 1 to 4 were cut off"),
    ],
)
def test_tampering_is_noticed_and_the_first_broken_entry_named(
    tamper: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    log, head = log_in(tmp_path)
    assert len(log.events(head)) == 4
    tamper(tmp_path)
    with pytest.raises(RegistryLogTamperedError, match=told) as raised:
        log.events(head)
    assert "Restore" in raised.value.remedy
    assert "Nothing was decided" in raised.value.kept


def test_a_whole_log_that_was_written_anew_is_noticed(tmp_path: Path) -> None:
    _, head = log_in(tmp_path / "a")
    forged, _ = log_in(tmp_path / "b")
    with pytest.raises(RegistryLogTamperedError, match="entry 4 is another one than MLflow has noted"):
        forged.events(head)


def test_nothing_is_added_to_a_log_that_was_tampered_with(tmp_path: Path) -> None:
    log, head = log_in(tmp_path)
    change(tmp_path)
    with pytest.raises(RegistryLogTamperedError):
        log.record(lambda _: Entry(9, "promoted", "someone"), head)
    assert not entry(tmp_path, 5).exists()


def test_many_writers_lose_no_entry_and_make_one_chain(anywhere: Settings) -> None:
    store = ObjectStore(anywhere.artifact_uri, anywhere.fsspec_options(anywhere.artifact_uri))

    def write(writer: int) -> None:
        for number in range(ENTRIES_EACH):
            RegistryLog(store, "delay").record(lambda _: Entry(number + 1, "promoted", f"writer {writer}"))  # noqa: B023

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    written = [(each.by, each.version) for each in RegistryLog(store, "delay").events()]
    assert len(written) == WRITERS * ENTRIES_EACH
    for writer in range(WRITERS):
        assert [version for by, version in written if by == f"writer {writer}"] == [1, 2, 3]


def test_what_need_not_be_said_again_is_not(tmp_path: Path) -> None:
    log, _ = log_in(tmp_path)
    assert len(log.record(lambda _: None)) == 4


def test_a_writer_whose_answer_was_lost_knows_its_own_entry(tmp_path: Path) -> None:
    class Deaf(ObjectStore):
        def create_exclusive(self, path: str, data: bytes) -> bool:
            super().create_exclusive(path, data)
            return False

    log = RegistryLog(Deaf(f"file://{tmp_path}"), "delay")
    events: list[RegistryEvent] = log.record(lambda _: Entry(1, "promoted", "someone"))
    assert [each.sequence for each in events] == [1]
