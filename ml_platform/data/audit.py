"""Write, audit, publish: the audit. Which rows hold to a contract, which do not and why, and whether it is too many.

Belongs here: splitting and counting, as pure functions. Does not: writing either part, or reading bytes (`landing`).
"""

from collections.abc import Mapping
from typing import NamedTuple

import dataframely as dy
import polars as pl
from dataframely.exc import SchemaError

from ml_platform.contracts.columns import personal
from ml_platform.errors import ContractViolatedError, DefinitionError, PartitionMismatchError

WHOLE_TABLE = "all"
_PLAN = "\n\nResolved plan"  # polars appends the query plan to an error, which says nothing about the frame
SHOWN = 5  # partitions told in full; the rest are counted
MAY_BE_PERSONAL = personal("holds every value of a refused row, personal ones too")


class Quarantine(dy.Schema):
    """One row that a contract refused, as it stood before the refusal. A row refused twice stands here twice."""

    partition = dy.String(description="Partition key of the refused row; `all` without partitions.")
    table = dy.String(description="Table that the row was meant for.")
    broken_rules = dy.String(description="Rules of the contract that the row broke, by comma.")
    row_key = dy.String(metadata=MAY_BE_PERSONAL, description="Values of the contract's primary key, as a JSON object.")
    row = dy.String(metadata=MAY_BE_PERSONAL, description="All values of the row, as a JSON object.")


class PartitionCount(NamedTuple):
    """Rows of one partition: those that came in and, of them, those refused."""

    partition: str
    rows_in: int
    refused: int
    refused_by_rule: Mapping[str, int]

    @property
    def accepted(self) -> int:
        """Rows that hold to the contract."""
        return self.rows_in - self.refused

    @property
    def share_refused(self) -> float:
        """Refused rows as a share of all, 0 to 1; 0 for a partition without a row."""
        return self.refused / self.rows_in if self.rows_in else 0.0


class Audited(NamedTuple):
    """A frame split by its contract: every row of it is in `accepted` or, once, in `refused`."""

    accepted: pl.DataFrame  # columns and order of the contract, rows in the order they came
    refused: pl.DataFrame  # Quarantine
    partitions: tuple[PartitionCount, ...]  # by partition key
    refused_by_rule: Mapping[str, int]  # a row that broke two rules counts under both
    overfull: tuple[PartitionCount, ...]  # partitions that refused more than the table allows

    @property
    def rows_in(self) -> int:
        """Rows that were audited."""
        return self.accepted.height + self.refused.height


class Conservation(NamedTuple):
    """Where the rows that came in went; `dropped` counts those that a step declares it drops."""

    rows_in: int
    published: int
    quarantined: int
    dropped: int = 0

    def check(self, table: str) -> None:
        """Pass if every row is accounted for.

        Raises:
            DefinitionError: rows vanished, or came from nowhere.
        """
        missing = self.rows_in - self.published - self.quarantined - self.dropped
        if missing:
            happened = "lost" if missing > 0 else "gained"
            raise DefinitionError(
                f"{table} {happened} {abs(missing):,} rows that no rule refused and no step declared dropped",
                expected=f"{self.rows_in:,} rows in",
                got=f"{self.published:,} published, {self.quarantined:,} quarantined, {self.dropped:,} declared drops",
                kept="Nothing was published; what was published before stands",
                remedy="Make the table's function return one row for each source row; the contract refuses bad ones",
            )


def audit(
    frame: pl.DataFrame, contract: type[dy.Schema], *, table: str, partition_column: str | None, reject_above: float
) -> Audited:
    """The rows of `frame` split by `contract`, and the partitions that refused a larger share than `reject_above`.

    Of rows with the same primary key all are refused: the upstream broke its promise, and which of them is right is not
    known here; picking one would make the result depend on the order of rows.

    Raises:
        DefinitionError: the frame does not have the contract's columns and types.
        PartitionMismatchError: a row has no value in the partition column.
    """
    _require_partition(frame, partition_column, table)
    try:
        accepted, failure = contract.filter(frame)
    except SchemaError as error:
        raise DefinitionError(
            f"The function of {table} did not return what {contract.__name__} declares: {str(error).split(_PLAN)[0]}",
            kept="Nothing was published; what was published before stands",
            remedy="Correct the function, or the contract, in the use case's folder",
        ) from error
    key = pl.lit(WHOLE_TABLE) if partition_column is None else pl.col(partition_column).cast(pl.String)
    refused = _quarantined(failure.details(), contract, table, key) if len(failure) else Quarantine.create_empty()
    partitions = _count(frame.select(partition=key), refused)
    return Audited(
        accepted=accepted,
        refused=refused,
        partitions=partitions,
        refused_by_rule=dict(sorted(failure.counts().items(), key=lambda rule: (-rule[1], rule[0]))),
        overfull=tuple(count for count in partitions if count.share_refused > reject_above),
    )


def violation(
    audited: Audited, *, table: str, landed_as: str, quarantine: str, reject_above: float, standing: str, where: str
) -> ContractViolatedError | None:
    """The error that lists the partitions which refused too much; None if none did.

    `landed_as` is the path of the landing objects with `{day}` or `{key}` in it, `standing` says what readers still see
    ("version 41"), `where` is the file in which the limit is set.
    """
    if not audited.overfull:
        return None
    limit = f"limit {_percent(reject_above)}"
    one = audited.overfull[0]
    if len(audited.overfull) == 1:
        what = f"{table} {one.partition} refused {_told(one, limit)}, {_rules(one.refused_by_rule)}"
    else:
        told = "; ".join(f"{count.partition} {_told(count, limit)}" for count in audited.overfull[:SHOWN])
        more = f"; and {len(audited.overfull) - SHOWN} more" if len(audited.overfull) > SHOWN else ""
        over = _sum_of_rules(audited.overfull)
        what = f"{table} refused too many rows in {len(audited.overfull)} of {len(audited.partitions)} partitions, "
        what += f"{_rules(over)}: {told}{more}"
    landed = landed_as.format(day=one.partition, key=one.partition)
    return ContractViolatedError(
        what,
        kept=f"Nothing was published; {standing} stands. The rows are in {quarantine}",
        remedy=f"Have the upstream land a corrected {landed} and start a new run (a retry "
        "reads the same rows), "
        f"or raise reject_above in {where}",
    )


def _require_partition(frame: pl.DataFrame, partition_column: str | None, table: str) -> None:
    if partition_column is None or partition_column not in frame.columns:
        return  # a column that is missing is told with the others by the contract
    if nowhere := frame[partition_column].null_count():
        raise PartitionMismatchError(
            f"{nowhere} of {frame.height} rows for {table} have no '{partition_column}', so no partition is theirs",
            kept="Nothing was published; what was published before stands",
            remedy="Have the table's function give every row the day of its landing object",
        )


def _quarantined(details: pl.DataFrame, contract: type[dy.Schema], table: str, key: pl.Expr) -> pl.DataFrame:
    """Refused rows as rows of `Quarantine`, in an order that does not depend on the order they came in."""
    columns = contract.column_names()
    rules = [column for column in details.columns if column not in columns]
    broken = [pl.when(pl.col(rule).cast(pl.String) == "invalid").then(pl.lit(rule)) for rule in sorted(rules)]
    return details.select(
        partition=key,
        table=pl.lit(table),
        broken_rules=pl.concat_str(broken, separator=", ", ignore_nulls=True),
        row_key=pl.struct(contract.primary_key()).struct.json_encode() if contract.primary_key() else pl.lit("{}"),
        row=pl.struct(columns).struct.json_encode(),
    ).sort(Quarantine.column_names())


def _count(partitions: pl.DataFrame, refused: pl.DataFrame) -> tuple[PartitionCount, ...]:
    rows_in = dict(partitions.group_by("partition").len().sort("partition").iter_rows())
    refused_in = dict(refused.group_by("partition").len().iter_rows())
    by_rule: dict[str, dict[str, int]] = {}
    exploded = refused.select("partition", rule=pl.col("broken_rules").str.split(", ")).explode("rule")
    counted = exploded.group_by("partition", "rule").len().sort("len", "rule", descending=[True, False])
    for partition, rule, rows in counted.iter_rows():
        by_rule.setdefault(partition, {})[rule] = rows
    return tuple(PartitionCount(p, rows, refused_in.get(p, 0), by_rule.get(p, {})) for p, rows in rows_in.items())


def _told(count: PartitionCount, limit: str) -> str:
    return f"{count.refused:,} of {count.rows_in:,} rows ({_percent(count.share_refused)}, {limit})"


def _percent(share: float) -> str:
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


def _rules(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{rows:,} by '{rule}'" for rule, rows in counts.items())


def _sum_of_rules(counts: tuple[PartitionCount, ...]) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for rule, rows in count.refused_by_rule.items():
            total[rule] = total.get(rule, 0) + rows
    return dict(sorted(total.items(), key=lambda rule: (-rule[1], rule[0])))
