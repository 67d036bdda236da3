"""Which partitions of a run have to be computed: those whose inputs, code, configuration or environment changed.

Belongs here: what a table's partition follows from. Does not: remembering it (`storage.memo`).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import dagster as dg
import polars as pl

from ml_platform.components.partitions import partitions_of_run, rows_among
from ml_platform.lineage.code import Source, reached_code
from ml_platform.lineage.environment import environment_fingerprint
from ml_platform.lineage.fingerprints import fingerprint
from ml_platform.storage.io_managers import DeltaTableIOManager, Publishable


class Recipe(NamedTuple):
    """What a table follows from besides its inputs: the project code that makes it, its packages, its configuration."""

    code: str
    packages: frozenset[str]
    config: Mapping[str, Any]

    @classmethod
    def of(cls, *sources: Source, **config: Any) -> "Recipe":
        """The recipe of the functions and contracts `sources`, with the project's code that they reach."""
        reached = reached_code(*sources)
        return cls(reached.fingerprint, reached.packages, config)

    @property
    def code_version(self) -> str:
        """What Dagster compares to say that code has changed."""
        return self.code[:16]

    def made_from(self, inputs: Mapping[str, Any]) -> dict[str, str]:
        """The fingerprint of each partition, from the content of its inputs."""
        environment = environment_fingerprint(self.packages)
        common = fingerprint(code=self.code, config=self.config, environment=environment)
        return {partition: fingerprint(recipe=common, inputs=content) for partition, content in inputs.items()}


class Plan(NamedTuple):
    """The partitions of one run: those to compute, and what was told of those that stand, by table."""

    made_from: Mapping[str, str]
    compute: Sequence[str]
    reused: Mapping[str, Mapping[str, Mapping[str, Any]]]

    def publishable(
        self,
        key: dg.AssetKey,
        frame: pl.DataFrame,
        told: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        of_table: Mapping[str, Any] = MappingProxyType({}),
    ) -> Publishable:
        """The output of one table: what was computed, and what stands."""
        return Publishable(frame, told, self.made_from, self.reused[_name(key)], of_table)


def plan(tables: DeltaTableIOManager, outputs: Sequence[dg.AssetKey], made_from: Mapping[str, str]) -> Plan:
    """What is left to do: a partition stands only if it does in every one of the `outputs`."""
    standing = {_name(key): tables.reusable(_name(key), made_from) for key in outputs}
    common = set(made_from).intersection(*standing.values())
    reused = {name: {key: told for key, told in found.items() if key in common} for name, found in standing.items()}
    return Plan(made_from, [key for key in made_from if key not in common], reused)


def contents(
    context: dg.AssetExecutionContext, source: dg.AssetKey, references: Sequence[dg.AssetKey] = ()
) -> dict[str, Any]:
    """For each partition of the run, the content of the same partition of `source`, and that of `references`."""
    tables: DeltaTableIOManager = context.resources.tables
    read = tables.read_states(context.run, _name(source))
    whole = [
        [state.content_hash for state in tables.read_states(context.run, _name(key)).values()] for key in references
    ]
    return {key: [(state := read.get(key)) and state.content_hash, whole] for key in partitions_of_run(context)}


def rows_of(source: pl.LazyFrame, column: str | None, partitions: Sequence[str]) -> pl.DataFrame:
    """The rows of the partitions to compute; all of them where the table has no partitions."""
    if column is None:
        return source.collect() if partitions else source.clear().collect()
    return rows_among(source, column, partitions).collect()


def _name(key: dg.AssetKey) -> str:
    return "/".join(key.path)
