"""`ml-platform reproduce`: a registered model version made again and compared, as text or JSON.

Belongs here: options and what is shown. Does not: making or comparing (`provenance`).
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.errors import ReproductionError

if TYPE_CHECKING:
    from ml_platform.provenance.reproduction import Difference, Reproduction

SHOWN = 8
PLAIN_WIDTH = 14

Model = Annotated[
    list[str],
    typer.Argument(metavar="MODEL VERSION", help="The registered version: `flights_delay 2` or `flights_delay/2`."),
]
Predictions = Annotated[
    bool, typer.Option("--predictions/--no-predictions", help="Also make every prediction of the version again.")
]
CodeOption = Annotated[
    str,
    typer.Option("--code", metavar="recorded|current", help="Code of the recorded commit, or the code as it is now."),
]
AsJson = Annotated[bool, typer.Option("--json", help="The same as data.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(reproduce)


def reproduce(
    model: Model, predictions: Predictions = True, code: CodeOption = "recorded", as_json: AsJson = False
) -> None:
    """Make a registered model version again, bit by bit, and say exactly what differs.

    In a new process: its rows from the snapshot, the whole search, the final fit, and its predictions. No table,
    registry entry or model is touched; the comparison is kept, as evidence for `ml-platform score`. The exit code is 0
    if the model's bytes and all predictions are equal, 1 if they are not.
    """
    from ml_platform.provenance.catalog import read_catalogs
    from ml_platform.provenance.reproduce import Declared
    from ml_platform.provenance.reproduce import reproduce as make_again
    from ml_platform.settings import Settings

    name, version = _named(model)
    if code not in ("recorded", "current"):
        raise typer.BadParameter("recorded or current", param_hint="--code")
    declared = Declared.of(read_catalogs(), name)
    found = make_again(
        Settings(),
        name,
        version,
        declared=declared if predictions else declared._replace(deployment=None),
        code="current" if code == "current" else "recorded",
        tell=lambda text: typer.echo(f"{text} …", err=True),
    )
    typer.echo(found.model_dump_json(indent=2) if as_json else "\n".join(told(found)))
    _keep(found)
    raise typer.Exit(0 if found.is_equal else 1)


def _keep(found: "Reproduction") -> None:
    """Keep the comparison for the ML Test Score; who may only read is told that it is not kept."""
    from ml_platform.errors import StorageAccessError
    from ml_platform.provenance.recorded_reproduction import keep_reproduction
    from ml_platform.settings import Settings
    from ml_platform.storage.location import StorageLocation

    try:
        keep_reproduction(StorageLocation.of(Settings()).artifacts(), found)
    except StorageAccessError as error:
        typer.echo(f"The comparison was not kept: {error.what}", err=True)


def told(found: "Reproduction") -> Iterator[str]:
    """The comparison in lines: the verdict, what was equal or not, and all that differs around it."""
    verdict = "equal, to the last bit" if found.is_equal else "NOT equal"
    yield f"{found.name} {found.version}, as of {found.as_of}: {verdict} ({found.rebuilt.cpu_seconds:.0f} CPU seconds)"
    yield from _line("model", _model(found))
    yield from _line("predictions", _predictions(found))
    yield from _line("search", _search(found))
    snapshot = " and ".join(f"{table} version {version}" for table, version in found.snapshot.items())
    changed = [each for each in found.circumstances if each.aspect == "inputs"]
    yield from _line("inputs", f"{snapshot}, read as recorded" if not changed else snapshot, changed)
    yield from _line("code", found.code_from, [each for each in found.circumstances if each.aspect == "code"])
    for aspect, same in (("environment", "as recorded"), ("config", "as recorded, and as declared now")):
        differing = [each for each in found.circumstances if each.aspect == aspect]
        yield from _line(aspect, same if not differing else f"{len(differing)} differ:", differing)
    if found.remedy:
        yield f"To have the recorded packages again: {found.remedy}"


def _model(found: "Reproduction") -> str:
    size = f"{found.rebuilt.bytes:,} bytes"
    if found.rebuilt.sha256 == found.recorded_sha256:
        return f"{size}, sha256 {found.recorded_sha256}"
    return f"sha256 {found.recorded_sha256} was registered, {found.rebuilt.sha256} ({size}) was made"


def _predictions(found: "Reproduction") -> str:
    compared = found.rebuilt.predictions
    if compared is None:
        return "not compared"
    text = f"{compared.rows_equal:,} of {compared.rows:,} rows on {compared.days} days equal"
    if compared.rows_equal == compared.rows and not compared.rows_surplus:
        return text
    lost = f"{compared.rows_missing:,} missing, {compared.rows_surplus:,} surplus"
    return f"{text}, {lost}; probabilities differ by {compared.largest_difference:.3g} at most"


def _search(found: "Reproduction") -> str:
    differing = [each for each in found.results if each.aspect == "search"]
    if not differing:
        return f"{len(found.rebuilt.trials)} trials, every score equal"
    return f"{len(differing)} trials came out otherwise, first {_difference(differing[0])}"


def _line(title: str, text: str, differences: Sequence["Difference"] = ()) -> Iterator[str]:
    yield f"  {title:<{PLAIN_WIDTH}}{text}"
    for each in differences[:SHOWN]:
        yield f"  {'':<{PLAIN_WIDTH}}- {_difference(each)}"
    if len(differences) > SHOWN:
        yield f"  {'':<{PLAIN_WIDTH}}- and {len(differences) - SHOWN} more: --json has them all"


def _difference(each: "Difference") -> str:
    return f"{each.what}: recorded {each.recorded}, now {each.found}"


def _named(model: Sequence[str]) -> tuple[str, int]:
    """Name and version, from `NAME VERSION` or `NAME/VERSION`.

    Raises:
        ReproductionError: it is neither.
    """
    parts = model[0].rsplit("/", 1) if len(model) == 1 else list(model)
    if len(parts) == 2 and parts[1].isdigit():
        return parts[0], int(parts[1])
    raise ReproductionError(
        f"'{' '.join(model)}' does not name a registered version",
        expected="a name and a number, as in `ml-platform reproduce flights_delay 2`",
        remedy="`ml-platform model list` has the names, `ml-platform summary` the versions",
    )
