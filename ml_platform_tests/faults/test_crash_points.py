"""A part of the crash points at each run of the tests; `make faults` tries them all."""

import asyncio
import sys
from pathlib import Path

import pytest

from ml_platform.local_servers.object_server import ObjectServer
from ml_platform.settings import Settings
from ml_platform_tests.faults.clients import environment_of
from ml_platform_tests.faults.crash_points import AnyFault, Tried, explore, explorer
from ml_platform_tests.faults.report import summary, table, torn

ON_S3: dict[str, tuple[AnyFault, ...]] = {
    "publish a new table": ("kill_after", "drop_after"),
    "publish a range": ("kill_before", "kill_after", "drop_after", "unavailable"),
    "publish a new column": ("kill_after",),
    "read two partitions": ("truncated", "internal_error"),
    "save a checkpoint": ("kill_before", "kill_after", "drop_before", "forbidden"),
    "store a model and its record": ("kill_after", "truncated"),
    "pin a table for a run": ("kill_after", "drop_after"),
}


ON_FILES: dict[str, tuple[AnyFault, ...]] = {
    "publish one partition again": ("killed", "disk_full"),
    "save a checkpoint": ("killed", "disk_full"),
    "pin a table for a run": ("killed",),
}


async def _explore(server: ObjectServer | None, folder: Path, quick: dict[str, tuple[AnyFault, ...]]) -> list[Tried]:
    async with explorer(server, folder, list(quick)) as at_work:
        found = [await explore(at_work, name, faults, every=2) for name, faults in quick.items()]
    return [each for one in found for each in one]


@pytest.fixture(scope="module")
def tried(s3: ObjectServer, tmp_path_factory: pytest.TempPathFactory) -> list[Tried]:
    return asyncio.run(_explore(s3, tmp_path_factory.mktemp("faults"), ON_S3))


def _print(tried: list[Tried], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write("\n".join(["", table(tried), summary(tried), *torn(tried), ""]))


def test_no_fault_at_any_request_tears_what_is_published(
    tried: list[Tried], capsys: pytest.CaptureFixture[str]
) -> None:
    _print(tried, capsys)
    assert not torn(tried)


@pytest.mark.skipif(sys.platform != "linux", reason="changes of files are struck by LD_PRELOAD")
def test_no_fault_at_any_change_of_a_file_tears_what_is_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = asyncio.run(_explore(None, tmp_path, ON_FILES))
    _print(tried, capsys)
    assert not torn(tried)


def test_a_fault_that_passes_does_not_fail_an_operation(tried: list[Tried]) -> None:
    passing = {"drop_before", "drop_after", "unavailable", "internal_error", "truncated"}
    failed = [each for each in tried if each.fault in passing and each.verdict == "failed"]
    assert not failed


def test_a_refusal_fails_an_operation_with_nothing_half_done(tried: list[Tried]) -> None:
    refused = [each for each in tried if each.fault == "forbidden"]
    assert {each.verdict for each in refused} == {"failed"}


def test_a_client_has_the_settings_that_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings(home=tmp_path, sensors="landing,recovery", mlflow_slots=3)
    for name, value in environment_of(Settings.model_validate_json(given.model_dump_json())).items():
        monkeypatch.setenv(name, value)
    assert Settings().sensors == given.sensors == ("landing", "recovery")
    assert Settings().mlflow_slots == 3
