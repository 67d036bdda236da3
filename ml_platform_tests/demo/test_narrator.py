"""What a person is told while work goes on."""

import io
import time

import pytest
from rich.console import Console

from ml_platform.demo.narrator import Narrator


def narrated(*, heartbeat_seconds: float = 60) -> tuple[Narrator, io.StringIO]:
    """A narrator of two stages that writes plain lines, and what it has written."""
    file = io.StringIO()
    return Narrator(Console(file=file, width=200), 2, heartbeat_seconds=heartbeat_seconds), file


def test_a_stage_is_one_line_at_its_start_and_one_at_its_end() -> None:
    narrator, file = narrated()
    with narrator.stage("Land"):
        pass
    first, last = file.getvalue().splitlines()
    assert first == "[1/2] Land"
    assert last.startswith("[1/2] Land: done in 0.")


def test_a_long_stage_gives_signs_of_life_with_its_latest_note() -> None:
    narrator, file = narrated(heartbeat_seconds=0.01)
    with narrator.stage("Land"):
        narrator.note("3 of 7 objects")
        time.sleep(0.2)
    assert "[1/2] Land: 0 s, 3 of 7 objects" in file.getvalue()


def test_a_note_does_not_outlive_its_stage() -> None:
    narrator, file = narrated(heartbeat_seconds=0.01)
    with narrator.stage("Land"):
        narrator.note("old")
    with narrator.stage("Clean"):
        time.sleep(0.1)
    assert "old" not in file.getvalue().partition("Clean")[2]


def test_a_stage_that_fails_says_so_and_passes_its_error_on() -> None:
    narrator, file = narrated()
    with pytest.raises(ValueError, match="broken"), narrator.stage("Land"):
        raise ValueError("broken")
    assert "[1/2] Land: stopped after 0." in file.getvalue()
