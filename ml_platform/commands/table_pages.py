"""What the commands about tables print: text for a person, or JSON. Pure formatting."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
import typer
from rich.table import Table

from ml_platform.execution.restoring import Restored
from ml_platform.storage.history import PartitionChange, TableDifference, TableSummary, VersionEntry
from ml_platform.storage.restoring import Restoration
from ml_platform.storage.row_difference import RowDifference
from ml_platform.terminal import console, table
from ml_platform.training.maintenance import MaintenanceReport

_SHOWN = 10
_EXAMPLES = 5
_COLUMNS_THAT_FIT = 8
_NOTHING = "-"


def show_summaries(found: Sequence[TableSummary], *, as_json: bool) -> None:
    """Every table in a row."""
    if as_json:
        return _echo([each.model_dump(mode="json") for each in found])
    columns = ("table", "version", "partitions", "rows", "data", "history", "log", "last write (UTC)")
    rows = [
        (
            each.name,
            str(each.version),
            f"{each.partitions:,}",
            f"{each.rows:,}",
            _size(each.bytes),
            _size(each.bytes_of_history),
            _size(each.bytes_of_log),
            f"{each.last_commit_at:%Y-%m-%d %H:%M:%S}",
        )
        for each in found
    ]
    _print(table("Tables", columns, rows))
    return None


def show_history(name: str, found: Sequence[VersionEntry], *, as_json: bool) -> None:
    """Every version in a row, the newest first."""
    if as_json:
        return _echo([each.model_dump(mode="json") for each in found])
    columns = ("version", "committed at (UTC)", "by", "what", "partitions", "rows", "content", "")
    rows = [
        (
            str(each.version),
            f"{each.committed_at:%Y-%m-%d %H:%M:%S}",
            _writer(each),
            each.operation + (f": {each.reason}" if each.reason else ""),
            _partitions(each.changes),
            _rows_written(each.changes),
            _contents(each),
            "" if each.is_readable else "data dropped",
        )
        for each in found
    ]
    _print(table(f"History of {name}", columns, rows, wide=3))
    return None


def show_difference(name: str, found: TableDifference, *, as_json: bool) -> None:
    """Counts by kind, then the first partitions."""
    if as_json:
        return _echo(_difference_data(name, found))
    typer.echo(f"{name}: version {found.before.version} → {found.after.version}")
    typer.echo(f"Columns: {str(found.columns) or 'the same'}.")
    typer.echo(f"Partitions: {_kinds(found.partitions)}.")
    _print_changes(found.partitions)
    return None


def show_rows(name: str, partition: str, found: TableDifference, rows: RowDifference, *, as_json: bool) -> None:
    """Counts of rows that came, went and changed, with a few examples of each."""
    if as_json:
        return _echo(_difference_data(name, found, partition) | {"rows": _rows_data(rows)})
    typer.echo(f"{name}, partition {partition}: version {found.before.version} → {found.after.version}")
    typer.echo(f"Rows are told apart by {', '.join(rows.key) if rows.key else 'all of their values'}.")
    typer.echo(f"{rows.added.height:,} rows added, {rows.removed.height:,} removed, {rows.changed.height:,} changed.")
    if rows.changed_columns:
        counts = sorted(rows.changed_columns.items(), key=lambda each: (-each[1], each[0]))
        typer.echo("Changed in " + ", ".join(f"{column} ({count:,} rows)" for column, count in counts) + ".")
    seen = {"Changed": rows.changed, "Added": rows.added, "Removed": rows.removed}
    for title, frame in seen.items():
        if frame.height:
            shown = frame if title == "Changed" or not rows.key else frame.select(rows.key)
            _print(_frame(f"{title}: {min(_EXAMPLES, frame.height)} of {frame.height:,} rows", shown.head(_EXAMPLES)))
    return None


def show_restoration(done: Restored, *, dry_run: bool, as_json: bool) -> None:
    """What was restored, and what the UI shows now."""
    found = done.restoration
    if as_json:
        data = found._asdict() | {"changes": [each.model_dump() | {"kind": each.kind} for each in found.changes]}
        return _echo(data | {"dry_run": dry_run, "reported_to_dagster": list(done.reported)})
    if not found.is_needed:
        typer.echo(f"{found.table} has the content of version {found.restored_version} already; nothing was written.")
    elif dry_run:
        typer.echo(f"Restoring version {found.restored_version} of {found.table} would change {_what(found)}:")
    else:
        told = f"Version {found.version} of {found.table} has the content of version {found.restored_version} again"
        typer.echo(f"{told}, instead of that of version {found.before}; this changed {_what(found)}:")
    _print_changes(found.changes)
    if done.reported:
        typer.echo(
            f"Dagster was told of {_count(len(done.reported), 'partition')}; what follows from them is stale now."
        )
    if done.reported and any(each.kind == "removed" for each in found.changes):
        typer.echo("Dagster keeps showing a removed partition as materialized, with data version 'not published'.")
    if found.is_needed and not dry_run:
        typer.echo(f"The next materialization of {found.table} makes these partitions from its inputs again.")
    return None


def show_maintenance(report: MaintenanceReport, *, as_json: bool) -> None:
    """What was deleted and merged, or would be."""
    if as_json:
        return _echo(report.model_dump(mode="json") | {"bytes": report.bytes})
    concerned = [each for each in report.tables if each.dropped_versions or each.bytes or each.merged_partitions]
    columns = (
        "table",
        "newest",
        "pinned",
        "versions dropped",
        "superseded",
        "abandoned",
        "checkpoints",
        "bytes",
        "merged",
    )
    rows = [
        (
            each.table,
            str(each.newest_version),
            _few([str(version) for version in each.pinned_versions]) or _NOTHING,
            str(len(each.dropped_versions)),
            f"{each.superseded_files:,}",
            f"{each.abandoned_files:,}",
            f"{each.checkpoints:,}",
            _size(each.bytes),
            str(each.merged_partitions),
        )
        for each in concerned
    ]
    if rows:
        _print(table("Tables", columns, rows))
    log = _size(sum(each.log_bytes for each in report.tables))
    typer.echo(
        f"{_count(len(report.tables) - len(concerned), 'table')} with nothing to do; the logs of all have {log}."
    )
    for each in report.leftovers:
        if each.objects:
            typer.echo(f"{each.objects:,} {each.kind}, {_size(each.bytes)}.")
    kept = f"{report.policy.keep_days} days, {report.policy.keep_versions} versions and what is pinned were kept"
    done = f"Freed {_size(report.bytes)}" if report.is_applied else f"Would free {_size(report.bytes)}"
    typer.echo(f"{done}; {kept}.{'' if report.is_applied else ' Nothing was done: add --apply to do it.'}")
    return None


def _difference_data(name: str, found: TableDifference, partition: str | None = None) -> dict[str, Any]:
    changes = [each for each in found.partitions if partition in (None, each.partition)]
    return {
        "table": name,
        "before": found.before.version,
        "after": found.after.version,
        "columns": {kind: list(names) for kind, names in found.columns._asdict().items()},
        "partitions": [each.model_dump() | {"kind": each.kind} for each in changes],
    }


def _rows_data(rows: RowDifference) -> dict[str, Any]:
    frames = {"added": rows.added, "removed": rows.removed, "changed": rows.changed}
    counts = {kind: frame.height for kind, frame in frames.items()}
    examples = {kind: json.loads(frame.head(_EXAMPLES).write_json()) for kind, frame in frames.items()}
    return {"key": list(rows.key), **counts, "changed_columns": rows.changed_columns, "examples": examples}


def _writer(entry: VersionEntry) -> str:
    if entry.run_id:
        return f"{entry.job}\nrun {entry.run_id[:8]}"
    return entry.by or "another writer"


def _partitions(changes: Sequence[PartitionChange]) -> str:
    names = [each.partition for each in changes]
    return _few(names) if len(names) <= 2 else f"{len(names):,}: {names[0]} to {names[-1]}"


def _rows_written(changes: Sequence[PartitionChange]) -> str:
    return f"{sum(each.rows_after or 0 for each in changes):,}"


def _contents(entry: VersionEntry) -> str:
    """The content of the one partition that changed, or of the whole table."""
    if len(entry.changes) == 1:
        before, after = entry.changes[0].content_before, entry.changes[0].content_after
    else:
        before, after = entry.content_root_before, entry.content_root_after
    return f"{_short(before)} → {_short(after)}"


def _short(content: str | None) -> str:
    return content[:8] if content else _NOTHING


def _what(found: Restoration) -> str:
    columns = "the columns and " if found.columns_changed else ""
    return f"{columns}{_count(len(found.changes), 'partition')}"


def _kinds(changes: Iterable[PartitionChange]) -> str:
    kinds = [each.kind for each in changes]
    return ", ".join(f"{kinds.count(kind):,} {kind}" for kind in ("added", "removed", "changed"))


def _print_changes(changes: Sequence[PartitionChange]) -> None:
    if not changes:
        return
    rows = [
        (
            each.partition,
            each.kind,
            _NOTHING if each.rows_before is None else f"{each.rows_before:,}",
            _NOTHING if each.rows_after is None else f"{each.rows_after:,}",
            f"{_short(each.content_before)} → {_short(each.content_after)}",
        )
        for each in changes[:_SHOWN]
    ]
    _print(table("", ("partition", "", "rows before", "rows after", "content"), rows))
    if len(changes) > _SHOWN:
        typer.echo(f"and {len(changes) - _SHOWN:,} more; --json has them all.")


def _frame(title: str, frame: pl.DataFrame) -> Table:
    """A row for each row; where there are more columns than fit, one row of text for each."""
    rows = [tuple(_NOTHING if value is None else str(value) for value in row) for row in frame.iter_rows()]
    if frame.width <= _COLUMNS_THAT_FIT:
        return table(title, frame.columns, rows)
    texts = (", ".join(f"{name}={value}" for name, value in zip(frame.columns, row, strict=True)) for row in rows)
    return table(title, [""], [(text,) for text in texts])


def _print(made: Table) -> None:
    console().print(made)


def _echo(data: object) -> None:
    typer.echo(json.dumps(data, indent=2, default=str))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _size(size: int) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000  # type: ignore[assignment]
    return f"{size:.1f} GB"
