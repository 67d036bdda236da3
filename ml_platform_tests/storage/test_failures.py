"""What a failure of the store looks like: which error, which setting it names, and that no secret is in it."""

import datetime as dt
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import HTTPServer, SimpleHTTPRequestHandler
from itertools import count
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from pydantic import SecretStr

from ml_platform.errors import (
    BucketNotFoundError,
    PlatformError,
    SettingsError,
    StorageAccessError,
    StorageCredentialsError,
    StorageFullError,
    StorageUnreachableError,
)
from ml_platform.local_servers.object_server import Identity, ObjectServer, object_server
from ml_platform.local_servers.ports import LOOPBACK, free_ports
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform_tests.places import BUCKET, READER, WRITER, local_settings, s3_settings

ANYWHERE = Identity("anywhere", "anywhere-key", "anywhere-hush", ("Read", "Write", "List"))
SECRETS = (WRITER.secret_access_key, READER.secret_access_key, ANYWHERE.secret_access_key, "another-hush")
NUMBERS = count()


def new_frame() -> pl.DataFrame:
    """A frame that was never published: what is there already is not written again."""
    return pl.DataFrame({"number": [next(NUMBERS)]})


Use = Callable[[StorageLocation], object]
READS: dict[str, Use] = {
    "an object is read": lambda store: store.artifacts().read("here"),
    "an object is asked for": lambda store: store.artifacts().exists("here"),
    "objects are listed": lambda store: store.artifacts().list(),
    "a table is opened": lambda store: store.tables().version("toy/numbers"),
    "a table is read": lambda store: store.tables().scan("toy/numbers").collect(),
}
WRITES: dict[str, Use] = {
    "an object is written": lambda store: store.artifacts().write("here", b"1"),
    "an object is created": lambda store: store.artifacts().create_exclusive("new", b"1"),
    "a table is published": lambda store: store.tables().publish("toy/numbers", new_frame(), key=None),
    "another table is published": lambda store: store.tables().publish("toy/others", new_frame(), key=None),
}
EVERYTHING = READS | WRITES


class Case(NamedTuple):
    """What is changed in settings that work, the error that follows, and the setting it names."""

    changed: Callable[[Settings], dict[str, object]]
    error: type[PlatformError]
    names: str


def elsewhere(settings: Settings, bucket: str) -> dict[str, object]:
    return {name: getattr(settings, name).replace(BUCKET, bucket, 1) for name in ("data_uri", "artifact_uri")}


REFUSED = {
    "wrong secret": Case(
        lambda _: {"s3_secret_access_key": "another-hush"},
        StorageCredentialsError,
        "ML_PLATFORM_S3_SECRET_ACCESS_KEY",
    ),
    "unknown key": Case(
        lambda _: {"s3_access_key_id": "nobody"}, StorageCredentialsError, "ML_PLATFORM_S3_ACCESS_KEY_ID"
    ),
    "no credentials": Case(
        lambda _: {"s3_access_key_id": None, "s3_secret_access_key": None, "s3_retry_seconds": 0.1},
        StorageCredentialsError,
        "ML_PLATFORM_S3_SECRET_ACCESS_KEY",
    ),
    "another's bucket": Case(lambda was: elsewhere(was, "theirs"), StorageAccessError, "ML_PLATFORM_DATA_URI"),
}


@pytest.fixture(autouse=True)
def no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the settings do not say is not found elsewhere."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    with object_server(tmp_path_factory.mktemp("s3"), [WRITER, READER, ANYWHERE], bucket=BUCKET) as running:
        yield running


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory, server: ObjectServer) -> Settings:
    """Settings that work, of a place with an object and a table."""
    settings = s3_settings(tmp_path_factory.mktemp("home"), server)
    for write in WRITES.values():
        write(StorageLocation.of(settings))
    return settings


def changed(settings: Settings, **values: object) -> StorageLocation:
    return StorageLocation.of(Settings(**{**settings.model_dump(), **values}))


def refused(location: StorageLocation, use: Use, error: type[PlatformError]) -> str:
    """The message of the error, which has no secret in it, nor in what led to it."""
    with pytest.raises(error) as caught:
        use(location)
    assert not any(secret in f"{caught.value}{caught.value.__cause__}" for secret in SECRETS)
    return str(caught.value)


@pytest.mark.parametrize("use", EVERYTHING.values(), ids=EVERYTHING)
@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_the_server_refuses_names_the_setting(working: Settings, case: Case, use: Use) -> None:
    message = refused(changed(working, **case.changed(working)), use, case.error)
    assert case.names in message
    assert str(working.s3_endpoint_url) in message


@pytest.mark.parametrize("use", EVERYTHING.values(), ids=EVERYTHING)
def test_a_missing_bucket_names_the_bucket_and_the_settings(working: Settings, use: Use) -> None:
    who = {"s3_access_key_id": ANYWHERE.access_key_id, "s3_secret_access_key": ANYWHERE.secret_access_key}
    message = refused(changed(working, **elsewhere(working, "nowhere"), **who), use, BucketNotFoundError)
    assert "no bucket 'nowhere'" in message
    assert "ML_PLATFORM_DATA_URI" in message


@pytest.mark.parametrize("use", WRITES.values(), ids=WRITES)
def test_a_reader_that_writes_is_told_which_credentials_to_change(working: Settings, use: Use) -> None:
    who = {"s3_access_key_id": READER.access_key_id, "s3_secret_access_key": READER.secret_access_key}
    message = refused(changed(working, **who), use, StorageAccessError)
    assert "ML_PLATFORM_S3_ACCESS_KEY_ID" in message
    assert "AccessDenied" in message


def test_a_reader_may_read(working: Settings) -> None:
    who = {"s3_access_key_id": READER.access_key_id, "s3_secret_access_key": READER.secret_access_key}
    for use in READS.values():
        use(changed(working, **who))


@pytest.mark.parametrize("use", EVERYTHING.values(), ids=EVERYTHING)
def test_an_endpoint_where_nobody_listens_is_named(working: Settings, use: Use) -> None:
    nobody = f"http://{LOOPBACK}:{free_ports(1)[0]}"
    message = refused(changed(working, s3_endpoint_url=nobody, s3_retry_seconds=0.2), use, StorageUnreachableError)
    assert f"{nobody} does not answer" in message
    assert "ML_PLATFORM_S3_ENDPOINT_URL" in message


@pytest.mark.parametrize("use", EVERYTHING.values(), ids=EVERYTHING)
def test_an_endpoint_that_never_answers_is_given_up(working: Settings, use: Use) -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        endpoint = f"http://{LOOPBACK}:{silent.getsockname()[1]}"
        patience = {"s3_read_timeout_seconds": 0.2, "s3_retry_seconds": 0.2}
        message = refused(changed(working, s3_endpoint_url=endpoint, **patience), use, StorageUnreachableError)
    assert f"{endpoint} does not answer" in message


@pytest.mark.parametrize("use", EVERYTHING.values(), ids=EVERYTHING)
def test_an_endpoint_that_is_no_object_store_is_named(working: Settings, use: Use) -> None:
    with HTTPServer((LOOPBACK, 0), SimpleHTTPRequestHandler) as website:
        Thread(target=website.serve_forever, daemon=True).start()
        endpoint = f"http://{LOOPBACK}:{website.server_port}"
        patience = {"s3_retry_seconds": 0.1}
        message = refused(changed(working, s3_endpoint_url=endpoint, **patience), use, StorageUnreachableError)
        website.shutdown()
    assert endpoint in message


def test_a_clock_that_is_wrong_is_told(working: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    two_hours_ago = dt.datetime.now(dt.UTC) - dt.timedelta(hours=2)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: two_hours_ago.replace(tzinfo=None))
    for use in (each for name, each in EVERYTHING.items() if "object" in name):
        assert "Set the clock" in refused(StorageLocation.of(working), use, StorageCredentialsError)


@pytest.mark.parametrize("url", ["localhost:8333", "s3://lake"])
def test_an_endpoint_that_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(SettingsError, match="ML_PLATFORM_S3_ENDPOINT_URL is not the address"):
        Settings(s3_endpoint_url=url)


def test_half_of_the_credentials_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match="Only one of ML_PLATFORM_S3_ACCESS_KEY_ID"):
        Settings(s3_access_key_id=SecretStr("key"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of two megabytes."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)], check=False)
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk_is_told_and_leaves_nothing_half_written(small_disk: Path) -> None:
    location = StorageLocation.of(local_settings(small_disk))
    location.tables().publish("toy/numbers", new_frame(), key=None)
    location.artifacts().write("here", bytes(1_000_000))
    large = pl.DataFrame({"number": np.random.default_rng(0).random(1_000_000)})
    for use in (
        lambda: location.artifacts().write("here", bytes(1_500_000)),
        lambda: location.tables().publish("toy/numbers", large, key=None),
    ):
        with pytest.raises(StorageFullError, match="ML_PLATFORM_HOME"):
            use()
    assert len(location.artifacts().read("here")) == 1_000_000
    assert location.tables().scan("toy/numbers").collect().height == 1
    location.artifacts().write("there is room again", bytes(500_000))


def test_a_server_that_comes_back_in_time_is_waited_for(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with object_server(tmp_path, [WRITER], bucket=BUCKET, port=port) as before:
        settings = s3_settings(tmp_path, before)
        for write in WRITES.values():
            write(StorageLocation.of(settings))
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(use, changed(settings, s3_retry_seconds=30)) for use in READS.values()]
        with object_server(tmp_path, [WRITER], bucket=BUCKET, port=port):
            assert [future.exception() for future in waiting] == [None] * len(READS)
