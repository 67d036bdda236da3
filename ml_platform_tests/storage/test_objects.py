from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from ml_platform.errors import StorageError
from ml_platform.recovery.isolation import run_isolated
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectStore


@pytest.fixture
def store(anywhere: Settings) -> ObjectStore:
    return StorageLocation.of(anywhere).artifacts()


def test_what_is_written_is_what_is_read(store: ObjectStore) -> None:
    store.write("a/b c#%.bin", b"one")
    store.write("a/b c#%.bin", b"two")
    assert store.read("a/b c#%.bin") == b"two"


def test_of_many_creators_exactly_one_wins(store: ObjectStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda n: store.create_exclusive("pin", str(n).encode()), range(32)))
    assert created.count(True) == 1
    assert store.read("pin") == str(created.index(True)).encode()


def test_a_list_has_every_object_below_a_prefix_and_nothing_half_written(store: ObjectStore) -> None:
    for path in ("x/2", "x/1", "x/deep/3", "y/4", "xy", "x/.writing-left-by-a-crash"):
        store.write(path, b"abc")
    assert [info.path for info in store.list("x")] == ["x/1", "x/2", "x/deep/3"]
    assert [info.path for info in store.below("x").list()] == ["1", "2", "deep/3"]
    assert store.list("nothing") == []


def test_nothing_is_listed_where_everything_was_deleted(store: ObjectStore) -> None:
    store.write("a/b", b"")
    store.delete("a/b")
    assert store.list() == store.list("a") == []


def test_an_object_tells_its_size_and_when_it_was_written(store: ObjectStore) -> None:
    store.write("x", b"abc")
    info = store.info("x")
    assert info.size == 3
    assert abs(info.modified_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_deleting_twice_is_no_error(store: ObjectStore) -> None:
    store.write("x", b"")
    store.delete("x")
    store.delete("x")
    assert not store.exists("x")


def test_what_is_not_there_is_a_file_not_found_error(store: ObjectStore) -> None:
    store.write("a/b", b"")
    for missing in ("x", "a", "a/b/c"):
        with pytest.raises(FileNotFoundError):
            store.read(missing)
        assert not store.exists(missing)


def test_a_forked_process_has_connections_of_its_own(store: ObjectStore) -> None:
    store.write("of the parent", b"1")
    assert run_isolated(store.read, "of the parent") == b"1"
    run_isolated(store.write, "of a child", b"2")
    assert store.read("of a child") == b"2"


def test_many_threads_may_use_one_store(store: ObjectStore) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: store.write(f"n/{n}", str(n).encode()), range(64)))
        assert list(pool.map(lambda n: store.read(f"n/{n}"), range(64))) == [str(n).encode() for n in range(64)]


@pytest.mark.parametrize("path", ["../x", "a/../x", "/x", "", "a//b", "a\\b", "."])
def test_a_path_that_would_leave_the_store_is_refused(store: ObjectStore, path: str) -> None:
    with pytest.raises(StorageError, match="is not a path below"):
        store.write(path, b"")


def test_secrets_are_not_in_the_repr() -> None:
    assert "hush" not in repr(ObjectStore("s3://bucket", {"secret": "hush"}))
