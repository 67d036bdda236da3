"""`ml-platform with-s3`, as processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

SEEN = """
import json, time
from ml_platform.settings import Settings
from ml_platform.storage.probe import require_storage
settings = Settings()
require_storage(settings)
print(json.dumps([settings.data_uri, settings.landing_uri, settings.artifact_uri, str(settings.home)]), flush=True)
"""
WAITING = SEEN + "time.sleep(60)"


def with_s3(home: Path, *command: str) -> "subprocess.Popen[str]":
    started = [sys.executable, "-c", "from ml_platform.cli import main; main()", "with-s3", "--", *command]
    environment = {"ML_PLATFORM_HOME": str(home), "PATH": ""}
    pipe = subprocess.PIPE
    return subprocess.Popen(started, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def servers(home: Path) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if f"-dir={home}" in " ".join(each.info["cmdline"] or ())]


def test_everything_of_the_command_is_on_s3_in_a_home_of_its_own(tmp_path: Path) -> None:
    said, complained = with_s3(tmp_path, sys.executable, "-c", SEEN).communicate()
    assert complained == ""
    assert json.loads(said) == ["s3://lake/tables", "s3://lake/landing", "s3://lake/artifacts", str(tmp_path / "s3")]
    assert servers(tmp_path) == []


def test_the_exit_code_is_that_of_the_command(tmp_path: Path) -> None:
    failing = with_s3(tmp_path, sys.executable, "-c", "import sys; sys.exit(7)")
    failing.communicate()
    assert failing.returncode == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_and_then_the_server(tmp_path: Path, number: signal.Signals) -> None:
    waiting = with_s3(tmp_path, sys.executable, "-c", WAITING)
    assert waiting.stdout is not None
    waiting.stdout.readline()
    waiting.send_signal(number)
    waiting.communicate()
    assert waiting.returncode == 128 + number
    assert servers(tmp_path) == []


def test_ctrl_c_ends_the_command_and_then_the_server(tmp_path: Path) -> None:
    waiting = with_s3(tmp_path, sys.executable, "-c", WAITING)
    assert waiting.stdout is not None
    waiting.stdout.readline()
    os.killpg(waiting.pid, signal.SIGINT)  # as a terminal does
    waiting.communicate()
    assert waiting.returncode == 128 + signal.SIGINT
    assert servers(tmp_path) == []


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    missing = with_s3(tmp_path, "no-such-command")
    assert "There is no command 'no-such-command'" in missing.communicate()[1]
    assert missing.returncode == 1
