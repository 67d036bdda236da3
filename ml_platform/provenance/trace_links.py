"""Which asset is made from which, and from which of its partitions: the graph of all code locations.

Read from the loaded definitions. Events record which tables and versions a run read, and not which days before its own
a partition looked back to: that is only in the definitions, for both directions.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Literal, NamedTuple, Self

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph, AssetNode

from ml_platform.data.landed import LANDING_PATTERN
from ml_platform.data.landing_paths import partition_in
from ml_platform.errors import UnknownAssetError
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.io_managers import PARTITION_COLUMN, RECORD_TYPE

AssetKind = Literal["table", "record", "landing"]


class Landing(NamedTuple):
    """A landing object's place in the graph: the asset of its kind, and the partition that it is for."""

    asset: str
    partition: str


class AssetLinks:
    """The assets of several locations as one graph; each is known by the location that makes it."""

    def __init__(self, locations: Iterable[dg.Definitions]) -> None:
        """The graph of all assets of `locations`."""
        self._graphs: dict[str, AssetGraph] = {}
        graphs = [each.resolve_asset_graph() for each in locations]
        for graph in graphs:
            self._graphs |= {_name(node.key): graph for node in graph.asset_nodes if _is_declared(node)}
        self._children = _children(graphs)

    @classmethod
    def of_platform(cls) -> Self:
        """The graph of the three code locations, loaded into this process."""
        from ml_platform.data.definitions import defs as data
        from ml_platform.serving.definitions import defs as serving
        from ml_platform.training.definitions import defs as training

        return cls([data, training, serving])

    def has(self, name: str) -> bool:
        """Whether there is an asset of that name."""
        return name in self._graphs

    def of_record_type(self, record_type: str) -> list[str]:
        """Record assets whose documents are of that class."""
        records = [name for name in sorted(self._graphs) if self.kind(name) == "record"]
        return [name for name in records if self.record_type(name) == record_type]

    def require(self, name: str) -> None:
        """Pass if there is an asset of that name.

        Raises:
            UnknownAssetError: there is none.
        """
        if name not in self._graphs:
            known = sorted(each for each in self._graphs if self.kind(each) != "landing")
            near = get_close_matches(name, known, n=3, cutoff=0.5)
            raise UnknownAssetError(
                f"There is no asset '{name}'.",
                expected=f"one of {', '.join(near or known)}"
                + (f", and {len(known) - len(near)} more" if near else ""),
                got=f"'{name}'",
            )

    def kind(self, name: str) -> AssetKind:
        """How the asset is stored."""
        metadata = self._node(name).metadata
        if LANDING_PATTERN in metadata:
            return "landing"
        return "record" if RECORD_TYPE in metadata else "table"

    def record_type(self, name: str) -> str:
        """Name of the class of a record asset, without its module."""
        return str(self._node(name).metadata[RECORD_TYPE]).rpartition(":")[2]

    def code_version(self, name: str) -> str | None:
        """Version of the code that makes the asset, as it is now; None where it declares none."""
        return self._node(name).code_version

    def parents(self, name: str) -> list[str]:
        """Assets that it is made from."""
        keys = sorted(_name(key) for key in self._node(name).parent_keys)
        return [key for key in keys if key in self._graphs and key != name]

    def children(self, name: str) -> list[str]:
        """Assets that are made from it, in any location."""
        return sorted(self._children.get(name, ()))

    def is_partitioned(self, name: str) -> bool:
        """Whether the asset has partitions."""
        return self._node(name).partitions_def is not None

    def partitions_read(self, child: str, keys: Sequence[str], parent: str, published: Iterable[str] = ()) -> list[str]:
        """Partitions of `parent` that those of `child` are made from; `published` are those that it had then."""
        graph = self._graphs[child]
        below, above = graph.get(_key(child)).partitions_def, graph.get(_key(parent)).partitions_def
        if above is None:
            return [UNPARTITIONED]
        if below is None:
            return list(above.get_partition_keys())
        if isinstance(above, dg.DynamicPartitionsDefinition):  # which keys there are, the definitions do not know
            return sorted(keys if isinstance(below, dg.DynamicPartitionsDefinition) else published)
        mapping = graph.get_partition_mapping(_key(child), _key(parent))
        asked = below.subset_with_partition_keys(keys)
        found = mapping.get_upstream_mapped_partitions_result_for_partitions(asked, below, above)
        return sorted(found.partitions_subset.get_partition_keys())

    def partitions_made(self, parent: str, keys: Sequence[str], child: str) -> list[str]:
        """Partitions of `child` that are made from those of `parent`."""
        graph = self._graphs[child]
        below, above = graph.get(_key(child)).partitions_def, graph.get(_key(parent)).partitions_def
        if below is None:
            return [UNPARTITIONED]
        if above is None:
            return list(below.get_partition_keys())
        if isinstance(above, dg.DynamicPartitionsDefinition):
            return sorted(keys if isinstance(below, dg.DynamicPartitionsDefinition) else below.get_partition_keys())
        mapping = graph.get_partition_mapping(_key(child), _key(parent))
        touched = above.subset_with_partition_keys(keys)
        return sorted(mapping.get_downstream_partitions_for_partitions(touched, above, below).get_partition_keys())

    def landing(self, path: str) -> Landing:
        """The asset that ingests the landing object `path`.

        Raises:
            UnknownAssetError: no table ingests such an object.
        """
        patterns = {name: self.pattern(name) for name in self._graphs if self.kind(name) == "landing"}
        for name, pattern in patterns.items():
            if (partition := partition_in(pattern, path)) is not None:
                return Landing(name, partition)
        raise UnknownAssetError(
            f"No table ingests the landing object '{path}'.",
            expected=f"a path below the landing zone: {', '.join(sorted(patterns.values()))}",
            got=f"'{path}'",
        )

    def columns(self, table: str) -> list[dg.TableColumn]:
        """Columns of a table as its contract declares them, with their tags."""
        schema = self._node(table).metadata.get("dagster/column_schema")
        found = schema.value if isinstance(schema, dg.TableSchemaMetadataValue) else schema
        return list(found.columns) if isinstance(found, dg.TableSchema) else []

    def partition_column(self, table: str) -> str:
        """Column whose text is the partition key of a partitioned table."""
        return str(self._node(table).metadata[PARTITION_COLUMN])

    def pattern(self, landing: str) -> str:
        """Path below the landing zone, or URI, with `{day}` or `{key}` where the partition stands."""
        return str(self._node(landing).metadata[LANDING_PATTERN])

    def _node(self, name: str) -> AssetNode:
        self.require(name)
        return self._graphs[name].get(_key(name))


def _children(graphs: Iterable[AssetGraph]) -> dict[str, set[str]]:
    children: dict[str, set[str]] = {}
    for graph in graphs:
        for node in graph.asset_nodes:
            for parent in node.parent_keys:
                children.setdefault(_name(parent), set()).add(_name(node.key))
    return children


def _is_declared(node: AssetNode) -> bool:
    """Whether the location makes the asset, or declares the landing objects: not a mention of another location's."""
    return node.is_materializable or LANDING_PATTERN in node.metadata


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/"))


def _name(key: dg.AssetKey) -> str:
    return "/".join(key.path)
