"""How readings are shown."""

import io

from rich.console import Console

from benchmarks.readings import Reading, Section, show


def shown(*readings: Reading) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    show([Section(title="steps", load_average=1.0, readings=readings)], console, "a run")
    return console.export_text()


def test_a_reading_above_its_aim_is_missed() -> None:
    assert "missed" in shown(Reading(what="launch to start", value=0.51, at_most=0.5))


def test_a_reading_at_its_aim_is_met() -> None:
    assert "met" in shown(Reading(what="launch to start", value=0.5, at_most=0.5))


def test_a_reading_without_an_aim_is_neither() -> None:
    text = shown(Reading(what="launch to start", value=0.5))
    assert "met" not in text
    assert "missed" not in text
