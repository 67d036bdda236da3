"""Partitions whose inputs have other content now than the one that they were made from.

Belongs here: comparing contents, by the log of tables. Does not: code and configuration that changed, which the next
run finds (`components.reuse`).

A partition's memo names the run that made it, the run's pins name the versions that it read, and these have the
contents. Where any of the three is gone, nothing is said.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from ml_platform.data.look_back import days_back
from ml_platform.errors import StorageError
from ml_platform.operations.health import Finding
from ml_platform.provenance.catalog import Catalog
from ml_platform.provenance.trace_history import RunHistory
from ml_platform.serving.promotion import recorded_promotions
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.io_managers import MADE_BY_RUN
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.memo import Memo
from ml_platform.storage.pins import Pins
from ml_platform.storage.tables import PartitionState


class Input(NamedTuple):
    """A table that another is made from: the days before a partition that are read with it; None for all of it."""

    table: str
    look_back_days: int | None = 0
    by_all_keys: bool = False  # every key of it is read for each partition

    def read_for(self, partition: str) -> list[str]:
        """The partitions that are read for one."""
        if self.look_back_days is None or partition == UNPARTITIONED:
            return [UNPARTITIONED]
        return days_back(partition, self.look_back_days)


class Staleness:
    """What is stale of one use case."""

    def __init__(self, location: StorageLocation, history: RunHistory, catalog: Catalog) -> None:
        """By the tables and artifacts of `location`."""
        self._tables, self._artifacts = location.tables(), location.artifacts()
        self._history, self._catalog = history, catalog
        self._states, self._pins = cache(self._states_of), cache(self._pins_of)
        self._versions = cache(self._tables.version)

    def findings(self) -> Iterator[Finding]:
        """One for each table and set of inputs that changed."""
        for table, inputs in inputs_by_table(self._catalog).items():
            groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
            for partition, read in self._made(table).items():
                if changed := self._changed(inputs, partition, read):
                    groups[changed].append(partition)
            for changed, partitions in groups.items():
                what = f"{', '.join(changed)} changed since it was made"
                yield Finding(state="stale", asset=table, partitions=tuple(sorted(partitions)), what=what)
        yield from self._other_champions()

    def _made(self, table: str) -> Mapping[str, Mapping[str, int]]:
        """For each published partition of which it is known, the version of each table that was read for it."""
        published = self._states(table, None)
        known = {
            partition: str(made.told.get(MADE_BY_RUN, ""))
            for partition, made in Memo(self._artifacts, table).entries().items()
            if (state := published.get(partition)) and state.content_hash == made.content_hash
        }
        if known:
            return {partition: self._pins(run_id) for partition, run_id in known.items()}
        if not published or not self._is_measured(table):
            return {}
        newest: dict[str, Mapping[str, int]] = {}
        for made in self._history.made(table, sorted(published)):
            newest.setdefault(made.partition, made.read_versions)
        return newest

    def _is_measured(self, table: str) -> bool:
        """Whether it is a table of which no memo is kept, such as quality."""
        return self._catalog.tables[table].kind in ("quality", "drift", "alarms", "receipts")

    def _changed(self, inputs: Sequence[Input], partition: str, read: Mapping[str, int]) -> tuple[str, ...]:
        return tuple(
            each.table
            for each in inputs
            if (version := read.get(each.table)) is not None
            and version != self._versions(each.table)
            and self._differs(each.table, version, None if each.by_all_keys else each.read_for(partition))
        )

    def _differs(self, table: str, version: int, partitions: Iterable[str] | None) -> bool:
        then, now = self._states(table, version), self._states(table, None)
        partitions = {**then, **now} if partitions is None else partitions
        return bool(then) and any(then.get(each) != now.get(each) for each in partitions)

    def _other_champions(self) -> Iterator[Finding]:
        """Days that were predicted by another champion than they have now."""
        if (deployment := self._catalog.deployment) is None:
            return
        recorded = recorded_promotions(self._artifacts, self._catalog.name(deployment.champion.name))
        table = self._catalog.name(deployment.predictions.name)
        published = self._states(table, None)
        days: list[str] = []
        for partition, made in Memo(self._artifacts, table).entries().items():
            now = [each.champion for each in recorded if each.as_of.isoformat() <= partition and each.champion]
            is_published = (state := published.get(partition)) and state.content_hash == made.content_hash
            if now and is_published and made.told.get("model_fingerprint") not in (None, now[-1].fingerprint):
                days.append(partition)
        if days:
            yield Finding(
                state="stale", asset=table, partitions=tuple(sorted(days)), what="another champion answers for them now"
            )

    def _states_of(self, table: str, version: int | None) -> dict[str, PartitionState]:
        try:
            return self._tables.partitions(table, version)
        except (StorageError, FileNotFoundError):
            return {}

    def _pins_of(self, run_id: str) -> Mapping[str, int]:
        return Pins(self._artifacts, self._tables, run_id).pins() if run_id else {}


def inputs_by_table(catalog: Catalog) -> dict[str, list[Input]]:
    """What each table is made from."""
    name, found = catalog.name, dict[str, list[Input]]()
    if data := catalog.data:
        for cleaned in data.cleaned:
            back = 0 if cleaned.partition_column else None
            references = [Input(name(each), None) for each in cleaned.references]
            found[name(cleaned.name)] = [Input(name(cleaned.source), back), *references]
        for derived in data.derived:
            found[name(derived.name)] = [Input(name(derived.source))]
        for features in data.features:
            histories = [Input(name(each.table), each.look_back_days) for each in features.inputs]
            found[name(features.name)] = [Input(name(features.rows)), *histories]
        for cut in data.by_day:
            found[name(cut.name)] = [Input(name(cut.source), by_all_keys=True)]
    if deployment := catalog.deployment:
        predictions, quality = deployment.predictions, deployment.quality
        found[name(predictions.name)] = [Input(name(predictions.features))]
        found[name(quality.name)] = [Input(name(predictions.name)), Input(name(quality.labels))]
        if monitor := deployment.drift:
            found[name(monitor.name)] = [Input(name(predictions.features)), Input(name(predictions.name))]
            found[name(monitor.alarms)] = [Input(name(monitor.name)), Input(name(quality.labels))]
    return found
