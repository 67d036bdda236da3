"""Model cards and data sheets.

Belongs here: options and output. Does not: what they say (`provenance`).
"""

import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ml_platform.provenance.card import ModelCard
    from ml_platform.provenance.evidence import Evidence
    from ml_platform.provenance.sheet import DataSheet

Output = Annotated[Path | None, typer.Option("--output", help="File of the page; below `<home>/cards` by default.")]
Open = Annotated[bool, typer.Option("--open", help="Show the page in the browser.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as data, on the screen; no page is written.")]


def register(root: typer.Typer) -> None:
    """Add `card` and `datasheet` to the command."""
    root.command()(card)
    root.command()(datasheet)


def card(
    name: Annotated[str, typer.Argument(help="Registered model, as `ml-platform model list` shows it.")],
    version: Annotated[int | None, typer.Argument(help="Number of the version; the champion by default.")] = None,
    output: Output = None,
    show: Open = False,
    as_json: AsJson = False,
) -> None:
    """The model card of a version: use, limits, data, scores by slice, calibration, lineage, decisions, as one page."""
    from ml_platform.provenance.card_facts import model_card
    from ml_platform.provenance.pages import card_page

    with _evidence() as evidence:
        if version is None:
            version = evidence.tracking.registry.require_champion(name).version
        found = model_card(evidence, name, version)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    path = _written(card_page(found), output, f"{name}-{version}.html", show=show)
    typer.echo(f"{_card_in_short(found)}\nThe whole card: {path}")


def datasheet(
    table: Annotated[str, typer.Argument(help="Name of the table, such as flights/clean.")],
    output: Output = None,
    show: Open = False,
    as_json: AsJson = False,
) -> None:
    """The data sheet of a table: grain, columns, source, licence, missing values, checks, quarantine, as one page."""
    from ml_platform.provenance.pages import sheet_page
    from ml_platform.provenance.sheet_facts import data_sheet

    with _evidence() as evidence:
        found = data_sheet(evidence, table)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    path = _written(sheet_page(found), output, f"{table.replace('/', '-')}.html", show=show)
    typer.echo(f"{_sheet_in_short(found)}\nThe whole sheet: {path}")


@contextmanager
def _evidence() -> "Iterator[Evidence]":
    from ml_platform.execution.instance import open_instance
    from ml_platform.provenance.evidence import Evidence
    from ml_platform.settings import Settings

    with open_instance() as instance:
        yield Evidence.of(Settings(), instance)


def _written(page: str, output: Path | None, name: str, *, show: bool) -> Path:
    from ml_platform.settings import Settings

    path = (output or Settings().home / "cards" / name).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)
    if show:
        webbrowser.open(path.as_uri())
    return path


def _card_in_short(found: "ModelCard") -> str:
    from ml_platform.provenance.pages import TILES, label_of

    shown = found.shown
    labels = {metric: label_of(metric, shown.task) for metric in TILES[shown.task.kind]}
    width = max(18, *map(len, labels.values()))
    scores = "\n".join(f"  {label:{width}} {shown.metrics[metric]}" for metric, label in labels.items())
    left_out = sum(each.rows for each in found.data.exclusions)
    quarantined = sum(each.rows for each in found.data.quarantined)
    return (
        f"{found.name}, version {found.version}: {found.standing}\n{found.description}\n\n"
        f"On {shown.rows:,} rows of {shown.first_day} to {shown.last_day}, with 95 % intervals:\n{scores}\n\n"
        f"Made from {found.data.rows:,} rows of {found.data.first_day} to {found.data.last_day}; {left_out:,} were not "
        f"learnt from, and {quarantined:,} of the tables behind them are in quarantine.\n"
        f"The gate {'approved' if found.gate.approved else 'refused'} it."
    )


def _sheet_in_short(found: "DataSheet") -> str:
    failed = [check.name for check in found.checks if not check.passed]
    days = f", {found.first} to {found.last}" if found.first else ""
    personal = ", ".join(each.column.name for each in found.personal) or "none"
    return (
        f"{found.table}, version {found.version}: {found.rows:,} rows{days}\n{found.description}\n\n"
        f"  columns            {len(found.columns)}, personal: {personal}\n"
        f"  checks             {len(found.checks)}, failed: {', '.join(failed) or 'none'}\n"
        f"  quarantined rows   {found.refused:,}"
    )
