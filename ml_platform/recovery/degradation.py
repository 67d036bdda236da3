"""The ledger of what is degraded: each published partition that was made on a lower rung of its fallback ladder.

A mark is written before what it is about is published, and goes after what replaces it is: a crash in between leaves a
mark too many, never one too few. A mark that has gone is kept beside the ledger with the version of the table that
ended it, since a run may still read an earlier version.

Belongs here: marks and where they are kept. Does not: which rung an asset takes (`data`, `serving`), or what an asset
tells of it (`components.degrading`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.record_names import record_file_name

Rung = Literal["cached", "last_known", "empty", "last_known_good", "baseline", "inherited"]

_PREFIX, _SUFFIX = "degraded", ".json"
_UNTIL = "@"  # in no name of a partition, which is quoted
_READERS = 16


class Degradation(BaseModel):
    """One partition of one table or record that is degraded, and why."""

    model_config = ConfigDict(frozen=True)

    table: str = Field(description="Name of the table or record, as in `flights/clean`.")
    partition: str = Field(description="Partition key; `all` without partitions.")
    rung: Rung = Field(
        description="How it was made instead; `inherited` from something degraded that it was made from."
    )
    reason: str = Field(description="Why, in one sentence; that of the first cause where it is inherited.")
    since: AwareDatetime = Field(description="Instant (UTC) since which it has been degraded without a break.")
    run_id: str = Field(description="The Dagster run that made it.")
    causes: tuple[str, ...] = Field((), description="What it inherits from, each as `<table> <partition>`.")
    seen: str = Field("", description="The state of the cause when it was looked at; another one may be sound again.")

    @property
    def name(self) -> str:
        """`<table> <partition>`, as another mark names it under its causes."""
        return cause(self.table, self.partition)


def cause(table: str, partition: str) -> str:
    """A partition of a table as a mark names it under its causes."""
    return f"{table} {partition}"


class _Kept(NamedTuple):
    """One object of the ledger: a mark that stands, or one that ended with version `until` of its table."""

    path: str
    table: str
    until: int | None


@dataclass(frozen=True)
class Degradations:
    """The ledger in the artifacts `objects`, one object for each degraded partition."""

    objects: ObjectStore

    def mark(self, degradations: Iterable[Degradation]) -> None:
        """Mark the partitions, before they are published; a mark that one has already is replaced."""
        for each in degradations:
            path = _path(each.table, each.partition)
            self.objects.write(path, each.model_dump_json().encode())

    def clear(self, table: str, partitions: Iterable[str], until: int | None = None) -> None:
        """Take the marks off, after what is sound is published: in version `until`, for tables that have versions."""
        paths = {_path(table, partition) for partition in partitions}
        earlier = list(self._kept(f"{_PREFIX}/{table}")) if until is not None else []
        ended = {path for path in paths if until is not None and self._end(path, until)}
        for path in paths:
            self.objects.delete(path)
        for each in earlier:
            if each.until is not None and each.until != until and _mark_of(each.path) in ended:
                self.objects.delete(each.path)  # the end just kept says more

    def mark_again(self, table: str, version: int, partitions: Collection[str] | None = None) -> None:
        """Mark what was degraded in `version` of a table, before that is restored; only `partitions`, if given."""
        then = self.of(table, lambda: version)
        self.mark(mark for key, mark in then.items() if partitions is None or key in partitions)

    def of(self, table: str, read_at: Callable[[], int] | None = None) -> dict[str, Degradation]:
        """The marks of one table by partition; with `read_at`, those of the version of the table that it returns.

        The version is asked for only if marks have ended at all.
        """
        kept = list(self._kept(f"{_PREFIX}/{table}"))
        version = read_at() if read_at and any(each.until is not None for each in kept) else None
        wanted = [each for each in kept if each.until is None or (version is not None and version < each.until)]
        ended_first = sorted(wanted, key=lambda each: each.until is None)  # a mark that stands says what is so now
        return {each.partition: each for each in self._read(ended_first) if each.table == table}

    def all(self) -> list[Degradation]:
        """Every mark that stands, by table and partition."""
        found = self._read([each for each in self._kept(_PREFIX) if each.until is None])
        return sorted(found, key=lambda each: (each.table, each.partition))

    def _end(self, path: str, until: int) -> bool:
        """Keep the mark, if there is one, for those who read a version before `until`."""
        try:
            mark = self.objects.read(path)
        except FileNotFoundError:
            return False
        self.objects.write(f"{path.removesuffix(_SUFFIX)}{_UNTIL}{until}{_SUFFIX}", mark)
        return True

    def _kept(self, prefix: str) -> Iterator[_Kept]:
        for info in self.objects.list(prefix):
            path = PurePosixPath(info.path)
            _, separator, until = path.stem.partition(_UNTIL)
            table = str(path.parent.relative_to(_PREFIX))
            yield _Kept(info.path, table, int(until) if separator else None)

    def _read(self, kept: Sequence[_Kept]) -> list[Degradation]:
        if not kept:
            return []
        with ThreadPoolExecutor(_READERS) as pool:
            return [mark for mark in pool.map(self._one, kept) if mark]

    def _one(self, kept: _Kept) -> Degradation | None:
        try:
            return Degradation.model_validate_json(self.objects.read(kept.path))
        except FileNotFoundError:
            return None  # it ended since it was listed


def _mark_of(ended: str) -> str:
    """The path of the mark that was kept as `ended`."""
    return f"{ended.rpartition(_UNTIL)[0]}{_SUFFIX}"


def _path(table: str, partition: str) -> str:
    return f"{_PREFIX}/{table}/{record_file_name(partition)}"
