"""`ml-platform keys ...`: what is partitioned by the objects in the landing zone, without the sensor.

Belongs here: options and what is printed. Does not: what a key is (`data.keys`).
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ml_platform.data.keys import Keys

UseCase = Annotated[str, typer.Argument(help="Name of the use case.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as data.")]

app = typer.Typer(help="Keys that are found in the landing zone: partitions such as car parks.", no_args_is_help=True)


def register(platform: typer.Typer) -> None:
    """Add the commands of this module."""
    platform.add_typer(app, name="keys")


@app.command("list")
def list_keys(use_case: UseCase, as_json: AsJson = False) -> None:
    """Every key: its objects in the landing zone, whether it is a partition, and the raw tables that have it."""
    from ml_platform.terminal import console, table

    with _keys(use_case) as keys:
        found = keys.states()
    if as_json:
        typer.echo(json.dumps([each._asdict() for each in found], ensure_ascii=False, indent=1))
        return
    rows = [
        (
            each.key,
            _listed(each.objects),
            "yes" if each.is_partition else "no",
            _listed(each.published),
        )
        for each in found
    ]
    console().print(table(f"Keys of {use_case}", ("key", "landed", "partition", "published in"), rows))


@app.command()
def discover(use_case: UseCase) -> None:
    """Add each key in the landing zone as a partition, so that it can be materialized. It starts nothing."""
    with _keys(use_case) as keys:
        new = keys.discover()
    typer.echo(f"{len(new):,} new: {', '.join(new)}" if new else "Nothing new is in the landing zone.")


@app.command()
def remove(use_case: UseCase, key: Annotated[str, typer.Argument(help="The key.")]) -> None:
    """Take away a partition whose object left the landing zone; what tables have of it stands."""
    with _keys(use_case) as keys:
        keys.remove(key)
    typer.echo(f"{key} is no partition of {use_case} any more. What tables have of it stands.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "-"


@contextmanager
def _keys(use_case: str) -> Iterator["Keys"]:
    from ml_platform.data.keys import Keys
    from ml_platform.errors import UnknownAssetError
    from ml_platform.execution.instance import open_instance
    from ml_platform.provenance.catalog import read_catalogs
    from ml_platform.settings import Settings
    from ml_platform.storage.location import StorageLocation

    catalogs = {each.use_case.name: each for each in read_catalogs()}
    keyed = [name for name, each in catalogs.items() if any(table.by == "key" for table in each.tables.values())]
    if use_case not in keyed:
        expected = (
            f"one of {', '.join(keyed)}" if keyed else "a use case with `{key}` in a `landing` of its data/defs.yaml"
        )
        raise UnknownAssetError(f"'{use_case}' has no table by key", expected=expected, got=f"'{use_case}'")
    catalog = catalogs[use_case]
    assert catalog.data is not None  # it has tables
    with open_instance() as instance:
        yield Keys(StorageLocation.of(Settings()), instance, catalog.use_case, catalog.data)
