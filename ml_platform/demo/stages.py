"""Stages, done one after the other, told and measured."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from ml_platform.demo.meter import Stopwatch
from ml_platform.demo.narrator import Narrator
from ml_platform.demo.report import StageReport


class Stage(NamedTuple):
    """One stage: its title, and what does it and gives the id of its run, if it was one."""

    title: str
    work: Callable[[Narrator], str | None]


def perform(stages: Sequence[Stage], narrator: Narrator) -> Iterator[StageReport]:
    """The report of each stage as it ends; of one that fails, before its error goes on."""
    for stage in stages:
        watch, run_id = Stopwatch(), None
        outcome: Literal["done", "failed"] = "failed"
        try:
            with narrator.stage(stage.title):
                run_id = stage.work(narrator)
            outcome = "done"
        finally:
            yield StageReport(title=stage.title, outcome=outcome, run_id=run_id, **watch.read()._asdict())
