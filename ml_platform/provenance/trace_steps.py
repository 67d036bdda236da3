"""The steps of a trace as they are found, and the evidence that each is given.

Belongs here: what both directions do for one step. Does not: which step comes next (`trace_upstream`,
`trace_downstream`).
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, NamedTuple, Self

from dagster import DagsterInstance
from pydantic import JsonValue

from ml_platform.data.landed import PARTS
from ml_platform.provenance.trace import LandedObject, Link, Partitions, Step
from ml_platform.provenance.trace_history import Made, RunHistory
from ml_platform.provenance.trace_links import AssetLinks
from ml_platform.provenance.trace_tables import Published, TableLogs
from ml_platform.settings import Settings
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.content import root_hash
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.pins import Pins
from ml_platform.storage.tables import TableStore

_PARALLEL_READS = 8


@dataclass(frozen=True)
class Evidence:
    """Everything that a trace is read from."""

    links: AssetLinks
    history: RunHistory
    tables: TableLogs
    artifacts: ObjectStore
    landing: ObjectStore

    @classmethod
    def of(cls, settings: Settings, instance: DagsterInstance, links: AssetLinks) -> Self:
        """The evidence of the platform that `settings` describe."""
        return cls(
            links=links,
            history=RunHistory(instance),
            tables=TableLogs(TableStore.from_settings(settings)),
            artifacts=ObjectStore(settings.artifact_uri, settings.fsspec_options(settings.artifact_uri)),
            landing=ObjectStore(settings.landing_uri, settings.fsspec_options(settings.landing_uri)),
        )


class Origin(NamedTuple):
    """How some partitions came to be: their commit, the event that tells of it, and the versions that its step read."""

    group: Published
    version: int  # the version of the table in which they were read
    made: Made | None
    read_versions: dict[str, int]
    missing: tuple[str, ...]


@dataclass
class Steps:
    """The steps and links found so far."""

    evidence: Evidence
    found: dict[str, Step] = field(default_factory=dict)
    links: dict[Link, None] = field(default_factory=dict)

    def add(self, step: Step) -> bool:
        """Keep the step; False if it was there already, and nothing has to be followed from it."""
        is_new = step.id not in self.found
        self.found.setdefault(step.id, step)
        return is_new

    def link(self, source: str, target: str, role: str) -> None:
        """Keep that `target` follows from `source`."""
        self.links.setdefault(Link(source, target, role))

    def origins(self, name: str, selection: Mapping[int, Sequence[str]]) -> list[Origin]:
        """How the partitions of each version came to be, one for each commit; what of it is missing is said."""
        tables = self.evidence.tables
        groups = [(each, at) for at, keys in selection.items() for each in tables.published(name, keys, at)]
        events: dict[tuple[str, str], Made] = {}
        if groups:
            for made in self.evidence.history.made(name, sorted({group.keys[0] for group, _ in groups})):
                events.setdefault((made.run_id, made.partition), made)
        return [self._origin(group, at, events.get((group.run_id or "", group.keys[0]))) for group, at in groups]

    def _origin(self, group: Published, version: int, made: Made | None) -> Origin:
        run_id = group.run_id
        if made:
            return Origin(group, version, made, made.read_versions, ())
        if run_id is None:
            return Origin(group, version, None, {}, ("The commit names no run: another program wrote it.",))
        lost = f"Dagster's history has no event of run {run_id}: the run was deleted, or it died before it reported."
        pinned = Pins(self.evidence.artifacts, self.evidence.tables.tables, run_id).pins()
        told = "The versions that it read are those that it pinned." if pinned else "What it read is not known."
        return Origin(group, version, None, pinned, (lost, told))

    def table_step(self, name: str, origins: Sequence[Origin]) -> Step:
        """Partitions of a table as they were read: from one commit, or from several told as one."""
        newest = max(origins, key=lambda each: each.group.commit.version)
        group, made = newest.group, newest.made
        keys = sorted({key for each in origins for key in each.group.keys})
        changed = {key for each in origins for key in self._changed(name, each)}
        facts: dict[str, JsonValue] = {"rows": sum(each.group.rows for each in origins)}
        if len(origins) > 1:
            facts |= {
                "commits": len(origins),
                "first_made_at": min(each.group.commit.committed_at for each in origins).isoformat(),
            }
        if group.restored_by:
            facts["restored_by_versions"] = list(group.restored_by)
        content = _content(origins)
        return Step(
            id=f"{name}@{group.commit.version}:{content[:12]}",
            kind="table",
            name=name,
            partitions=_partitions(keys),
            version=group.commit.version,
            content=content,
            made_at=group.commit.committed_at,
            run=self.evidence.history.run(group.run_id) if group.run_id else None,
            code_version=made.code_version if made else None,
            checks=self.evidence.history.checks(group.run_id, name) if group.run_id else (),
            degraded=next((each.made.degraded for each in origins if each.made and each.made.degraded), None),
            changed_since=tuple(sorted(changed)),
            facts=facts,
            missing=tuple(dict.fromkeys(said for each in origins for said in each.missing)),
        )

    def unknown_step(self, name: str, keys: Sequence[str], why: str) -> Step:
        """Partitions that are known to have been read, and of which nothing else is known."""
        partitions = _partitions(keys)
        return Step(id=f"{name}?{partitions}", kind="table", name=name, partitions=partitions, missing=(why,))

    def _changed(self, name: str, origin: Origin) -> tuple[str, ...]:
        return self.evidence.tables.changed(name, origin.group.keys, origin.version)

    def record_step(self, name: str, key: str, made: Made | None, facts: dict[str, JsonValue]) -> Step:
        """One record, with the event that told of it."""
        return Step(
            id=f"{name}:{key}:{made.run_id[:8] if made else 'unknown'}",
            kind="record",
            name=name,
            partitions=_partitions((key,)),
            made_at=made.at if made else None,
            run=self.evidence.history.run(made.run_id) if made else None,
            code_version=made.code_version if made else None,
            checks=self.evidence.history.checks(made.run_id, name) if made else (),
            degraded=made.degraded if made else None,
            facts=facts,
            missing=() if made else ("Dagster's history has no materialization of this record.",),
        )

    def landing_step(self, name: str, raw: str, origins: Sequence[Origin]) -> Step:
        """The landing objects that partitions of a raw table were ingested from."""
        ingested = {(each.group.run_id, key) for each in origins for key in each.group.keys}
        keys = sorted({key for _, key in ingested})
        events = {
            each.partition: each
            for each in reversed(self.evidence.history.made(raw, keys))
            if (each.run_id, each.partition) in ingested
        }
        landed = [events[key] for key in keys if key in events and events[key].metadata.get("landing_object")]
        with ThreadPoolExecutor(_PARALLEL_READS) as pool:
            objects = tuple(pool.map(self._landed, (part for each in landed for part in _parts(each))))
        without = [key for key in keys if key not in events]
        unknown = "Dagster's history does not tell of it, as the run was deleted"
        content = _digest(objects)
        return Step(
            id=f"{name}:{(content or _told(keys))[:12]}",
            kind="landing",
            name=self.evidence.links.pattern(name),
            partitions=_partitions(keys),
            content=content,
            changed_since=tuple(dict.fromkeys(each.partition for each in objects if each.now in ("changed", "gone"))),
            objects=objects,
            facts={"objects": len(objects), "declared_without_object": len(events) - len(landed) or None},
            missing=(f"{_told(without)}: {unknown}.",) if without else (),
        )

    def _landed(self, part: LandedObject) -> LandedObject:
        """The part with what stands there now, if it is an object."""
        if "://" in part.path:
            return part
        now: Literal["unchanged", "changed", "gone"] = "gone"
        with suppress(FileNotFoundError):
            is_same = sha256(self.evidence.landing.read(part.path)).hexdigest() == part.sha256
            now = "unchanged" if is_same else "changed"
        return part.model_copy(update={"now": now})


def _parts(made: Made) -> list[LandedObject]:
    """What a partition was ingested from, as it was then: one object, or several, or rows."""
    whole = {str(made.metadata["landing_object"]): made.metadata["landing_sha256"]}
    parts = made.metadata.get(PARTS) or whole
    return [
        LandedObject(path=path, partition=made.partition, sha256=str(then), now="not asked")
        for path, then in sorted(parts.items())
    ]


def _content(origins: Sequence[Origin]) -> str:
    """The content of the one commit; of several, the hash over theirs."""
    if len(origins) == 1:
        return origins[0].group.content
    return root_hash({f"{each.group.keys[0]}@{each.version}": each.group.content for each in origins})


def _digest(objects: Sequence[LandedObject]) -> str | None:
    """The hash of one object; of several, the hash over their hashes by path."""
    if len(objects) < 2:
        return objects[0].sha256 if objects else None
    return sha256("".join(f"{each.sha256}  {each.path}\n" for each in objects).encode()).hexdigest()


def _partitions(keys: Sequence[str]) -> Partitions | None:
    return None if list(keys) == [UNPARTITIONED] else Partitions.of(keys)


def _told(keys: Sequence[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{len(keys)} partitions, {keys[0]} to {keys[-1]}"
