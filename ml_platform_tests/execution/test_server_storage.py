"""Instance storage on PostgreSQL: shared by processes, back after the server was away, no password told to anybody."""

import multiprocessing
import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from ml_platform.errors import SettingsError
from ml_platform.execution.instance import open_instance
from ml_platform.execution.server_storage import ServerEventLogStorage
from ml_platform.local_servers.postgres import postgres
from ml_platform.settings import Settings
from ml_platform_tests.execution.instances import materialization, materialized, server_instance, write_some


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ML_PLATFORM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.usefixtures("database_url")
def test_the_history_is_in_the_database_that_the_settings_name() -> None:
    with open_instance() as instance:
        assert isinstance(instance.event_log_storage, ServerEventLogStorage)
        instance.report_runless_asset_event(materialization("2013-01-01"))
    with open_instance() as again:
        assert materialized(again) == ["2013-01-01"]


@pytest.mark.usefixtures("database_url")
def test_several_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_some, args=(server_instance, tmp_path, 40)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with server_instance(tmp_path) as instance:
        assert len(set(materialized(instance))) == 3 * 40


@pytest.mark.usefixtures("database_url")
def test_a_forked_child_opens_its_own_connection(tmp_path: Path) -> None:
    with server_instance(tmp_path) as instance:
        instance.report_runless_asset_event(materialization("parent"))
        pid = os.fork()
        if pid == 0:
            instance.report_runless_asset_event(materialization("child"))
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        instance.report_runless_asset_event(materialization("parent again"))
        assert materialized(instance) == ["parent", "child", "parent again"]


def test_a_server_that_comes_back_is_used_again_and_has_lost_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("server")
    with postgres(folder, ["dagster"]) as server:
        monkeypatch.setenv("ML_PLATFORM_DATABASE_URL", server.url("dagster"))
        instance = server_instance(tmp_path)
        instance.report_runless_asset_event(materialization("before"))
    with postgres(folder, ["dagster"], port=server.port), instance:
        instance.report_runless_asset_event(materialization("after"))
        assert materialized(instance) == ["before", "after"]


def test_what_dagster_hands_to_its_processes_has_no_password(database_url: str) -> None:
    password = database_url.split(":")[2].split("@")[0]
    with open_instance() as instance:
        assert password not in str(instance.get_ref().to_dict())
    assert password not in str(Settings())


def test_without_a_database_it_says_which_setting_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ML_PLATFORM_DATABASE_URL", raising=False)
    with pytest.raises(SettingsError, match="ML_PLATFORM_DATABASE_URL"):
        server_instance(tmp_path)


@pytest.mark.parametrize("url", ["mysql://user:secret@host/name", "nonsense"])
def test_a_database_of_another_kind_is_refused_without_telling_the_address(url: str) -> None:
    with pytest.raises(SettingsError, match="PostgreSQL") as caught:
        Settings(database_url=SecretStr(url))
    assert "secret" not in str(caught.value)
