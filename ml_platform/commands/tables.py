"""`ml-platform table ...` and `ml-platform maintain`: the history of tables, and what keeps it from growing."""

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="Name of the table, such as flights/clean.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as data.")]

app = typer.Typer(help="The history of tables: versions, differences, restore.", no_args_is_help=True)


def register(platform: typer.Typer) -> None:
    """Add the commands of this module."""
    platform.add_typer(app, name="table")
    platform.command()(maintain)


@app.command("list")
def list_tables(as_json: AsJson = False) -> None:
    """Every table: newest version, partitions, rows, bytes and last write."""
    from ml_platform.commands.table_pages import show_summaries
    from ml_platform.settings import Settings
    from ml_platform.storage.history import summarize
    from ml_platform.storage.tables import TableStore

    show_summaries(summarize(TableStore.from_settings(Settings())), as_json=as_json)


@app.command()
def history(
    name: Name,
    partition: Annotated[str | None, typer.Option(help="Only versions that touched this partition.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many versions, the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The versions of a table, newest first: when, who wrote it, what, and what it held before and after."""
    from ml_platform.commands.table_pages import show_history
    from ml_platform.settings import Settings
    from ml_platform.storage.history import history as read_history
    from ml_platform.storage.tables import TableStore

    tables = TableStore.from_settings(Settings())
    show_history(name, read_history(tables, name, partition=partition, limit=limit), as_json=as_json)


@app.command()
def diff(
    name: Name,
    before: Annotated[int, typer.Argument(min=0, help="The version to compare from.")],
    after: Annotated[int, typer.Argument(min=0, help="The version to compare to.")],
    partition: Annotated[str | None, typer.Option(help="Compare the rows of this partition.")] = None,
    as_json: AsJson = False,
) -> None:
    """How two versions of a table differ: columns, and partitions by content; with --partition also its rows."""
    from ml_platform.commands.table_pages import show_difference, show_rows
    from ml_platform.provenance.catalog import declared_contract
    from ml_platform.settings import Settings
    from ml_platform.storage.history import difference
    from ml_platform.storage.partition_rows import compare_partition
    from ml_platform.storage.row_difference import without_personal_values
    from ml_platform.storage.tables import TableStore

    tables = TableStore.from_settings(Settings())
    found = difference(tables, name, before, after)
    if partition is None:
        show_difference(name, found, as_json=as_json)
    else:
        rows, contract = compare_partition(tables, name, found, partition), declared_contract(name)
        shown = without_personal_values(rows, contract) if contract else rows
        show_rows(name, partition, found, shown, as_json=as_json)


@app.command()
def restore(
    name: Name,
    version: Annotated[int, typer.Argument(min=0, help="The version whose content is wanted again.")],
    partition: Annotated[list[str] | None, typer.Option(help="Only this partition; may be repeated.")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the history of the table.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the content of an old version the newest again, in one commit, and tell Dagster so.

    What follows from the restored partitions shows as stale. The next materialization of the table itself makes them
    from its inputs again.
    """
    from ml_platform.commands.table_pages import show_restoration
    from ml_platform.execution.instance import open_instance
    from ml_platform.execution.restoring import restore_and_report
    from ml_platform.recovery.degradation import Degradations
    from ml_platform.settings import Settings
    from ml_platform.storage.location import StorageLocation

    location = StorageLocation.of(Settings())
    tables = location.tables()
    if not dry_run:
        Degradations(location.artifacts()).mark_again(name, version, partition)
    with open_instance() as instance:
        done = restore_and_report(instance, tables, name, version, partitions=partition, reason=reason, dry_run=dry_run)
    show_restoration(done, dry_run=dry_run, as_json=as_json)


def maintain(
    apply: Annotated[bool, typer.Option("--apply", help="Do it; otherwise only say what would be done.")] = False,
    keep_days: Annotated[
        int, typer.Option(min=1, help="Days for which a version stays readable after a newer one replaced it.")
    ] = 30,
    keep_versions: Annotated[int, typer.Option(min=1, help="The last so many versions of each table stay.")] = 10,
    use_case: Annotated[str | None, typer.Option(help="Only the tables of this use case.")] = None,
    as_json: AsJson = False,
) -> None:
    """Drop old versions that no registered model pins, their data files, and leftovers; merge small files.

    Says only what it would do, unless --apply.
    """
    from ml_platform.commands.table_pages import show_maintenance
    from ml_platform.execution.instance import open_instance
    from ml_platform.settings import Settings
    from ml_platform.storage.location import StorageLocation
    from ml_platform.storage.retention import RetentionPolicy
    from ml_platform.tracking.resource import MlflowTracking
    from ml_platform.training.maintenance import Places
    from ml_platform.training.maintenance import maintain as maintain_tables

    settings = Settings()
    policy = RetentionPolicy(keep_days=keep_days, keep_versions=keep_versions)
    with open_instance() as instance:
        places = Places(StorageLocation.of(settings), MlflowTracking.from_settings(settings).registry, instance)
        report = maintain_tables(places, policy, apply=apply, use_case=use_case)
    show_maintenance(report, as_json=as_json)
