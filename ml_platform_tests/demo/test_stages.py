"""Stages one after the other."""

import io

import pytest
from rich.console import Console

from ml_platform.demo.narrator import Narrator
from ml_platform.demo.report import StageReport
from ml_platform.demo.stages import Stage, perform


def quiet() -> Narrator:
    return Narrator(Console(file=io.StringIO()), 3)


def fail(narrator: Narrator) -> None:
    raise ValueError("broken")


def test_each_stage_is_reported_with_its_run() -> None:
    reports = list(perform([Stage("Land", lambda _: None), Stage("Clean", lambda _: "run-1")], quiet()))
    assert [(one.title, one.outcome, one.run_id) for one in reports] == [
        ("Land", "done", None),
        ("Clean", "done", "run-1"),
    ]
    assert all(one.seconds >= 0 for one in reports)


def test_a_failing_stage_is_reported_and_stops_those_after_it() -> None:
    done: list[StageReport] = []
    with pytest.raises(ValueError, match="broken"):
        done.extend(perform([Stage("Land", fail), Stage("Clean", lambda _: None)], quiet()))
    # `extend` keeps what came before the error
    assert [(one.title, one.outcome) for one in done] == [("Land", "failed")]
