"""Numbers that were measured, and how they are shown: the same for every measurement."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from rich import box
from rich.console import Console
from rich.table import Table


class Reading(BaseModel):
    """One number: what it is of, its unit, and the most that it should be."""

    model_config = ConfigDict(frozen=True)

    what: str = Field(description="What was measured.")
    value: float = Field(description="The number, in `unit`.")
    unit: str = Field("s", description="Unit of the number; seconds are of the wall clock unless `what` says CPU.")
    at_most: float | None = Field(None, description="The platform's aim; None where there is none.")

    @property
    def is_met(self) -> bool:
        """Whether the aim is reached; True without one."""
        return self.at_most is None or self.value <= self.at_most


class Section(BaseModel):
    """One measurement with its readings, and how busy the machine was when it began."""

    model_config = ConfigDict(frozen=True)

    title: str = Field(description="The measurement.")
    load_average: float = Field(description="Mean number of busy processes in the minute before.")
    readings: tuple[Reading, ...] = Field(description="In the order they were made.")


class Cost(NamedTuple):
    """Wall and CPU seconds, and the most bytes held at once, of a process and all below it."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int

    def readings(self, of: str) -> list[Reading]:
        """The three as readings."""
        return [
            Reading(what=f"{of}: wall", value=self.seconds),
            Reading(what=f"{of}: CPU", value=self.cpu_seconds),
            Reading(what=f"{of}: peak memory", value=self.peak_bytes / 2**20, unit="MB"),
        ]


def show(sections: Sequence[Section], console: Console, title: str) -> None:
    """One table: each reading beside its aim."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("measured")
    table.add_column("", justify="right")
    table.add_column("unit")
    table.add_column("aim", justify="right")
    table.add_column("")
    for section in sections:
        table.add_row(f"[bold]{section.title}[/] (load {section.load_average:.1f})")
        for reading in section.readings:
            table.add_row(*_row(reading))
    console.print(table)


def _row(reading: Reading) -> tuple[str, str, str, str, str]:
    if reading.at_most is None:
        return f"  {reading.what}", _number(reading.value), reading.unit, "", ""
    word = "met" if reading.is_met else "[bold red]missed[/]"
    return f"  {reading.what}", _number(reading.value), reading.unit, f"{reading.at_most:g}", word


def _number(value: float) -> str:
    """Three digits that count, or all of a larger number."""
    return (
        f"{value:,.0f}"
        if abs(value) >= 100 or value == int(value)
        else f"{value:.1f}"
        if abs(value) >= 10
        else f"{value:.2f}"
    )
