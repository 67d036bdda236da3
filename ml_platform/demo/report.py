"""What a demonstration cost: seconds by stage and the memory at its peak, kept in `<home>/demo.json`."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.settings import Settings


class StageReport(BaseModel):
    """One stage: how long it took, and the Dagster run in which it was done."""

    model_config = ConfigDict(frozen=True)

    title: str = Field(description="What was done.")
    outcome: Literal["done", "failed"] = Field(description="Whether it came to its end.")
    seconds: float = Field(description="Wall-clock time.")
    cpu_seconds: float = Field(description="Processor time, all processes together.")
    run_id: str | None = Field(None, description="Dagster run; None where the upstream was at work, or a run failed.")


class DemoReport(BaseModel):
    """One demonstration, so far as it came."""

    model_config = ConfigDict(frozen=True)

    started_at: datetime = Field(description="Instant (UTC) of its start.")
    cores: int = Field(description="Processor cores of the machine.")
    seconds: float = Field(description="Wall-clock time, from the start to the end of the last stage.")
    peak_memory_bytes: int = Field(description="Most memory held at once, all processes together, shared pages once.")
    stages: tuple[StageReport, ...] = Field(description="In the order they were done.")


def write_report(settings: Settings, report: DemoReport, use_case: str = "flights") -> None:
    """Replace the report of the use case; whole or not at all."""
    path = _path(settings, use_case)
    path.parent.mkdir(parents=True, exist_ok=True)
    arriving = path.with_suffix(".writing")
    arriving.write_text(report.model_dump_json(indent=1))
    arriving.replace(path)


def read_report(settings: Settings, use_case: str = "flights") -> DemoReport | None:
    """The report of the last demonstration of the use case; None if there was none."""
    path = _path(settings, use_case)
    return DemoReport.model_validate_json(path.read_text()) if path.exists() else None


def _path(settings: Settings, use_case: str) -> Path:
    return settings.home / ("demo.json" if use_case == "flights" else f"demo_{use_case}.json")
