"""IO managers: a table or a record in, a lazy table or a record out, each publication whole or not at all."""

import hashlib
import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg
import polars as pl
from dagster._core.definitions.metadata import normalize_metadata
from dagster._core.events import DagsterEvent
from pydantic import BaseModel, PrivateAttr

from ml_platform.errors import DefinitionError, PartitionNotPublishedError
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.content import root_hash
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.memo import Made, Memo
from ml_platform.storage.partition_events import DEGRADED_TAG, LowerRung, materializations
from ml_platform.storage.record_names import record_file_name
from ml_platform.storage.tables import PartitionState, Publication

PARTITION_COLUMN = "ml_platform/partition_column"
SORT_BY = "ml_platform/sort_by"
RECORD_TYPE = "ml_platform/record_type"
MADE_BY_RUN = "made_by_run"


class Publishable(NamedTuple):
    """What a run has for a table: the rows of the partitions it computed, and the partitions it need not compute.

    `told` is metadata for the materialization of each partition, JSON-able; cheaper than `context.add_asset_metadata`,
    which walks all partitions of the run for each of them. `of_table` is metadata of the table as a whole; it is told
    once, with the last partition, where the UI looks for it. `degraded` are the partitions that were made on a lower
    rung of their fallback ladder, also of those that stand; nothing remembers it.
    """

    frame: pl.DataFrame | pl.LazyFrame
    told: Mapping[str, Mapping[str, Any]] = {}
    made_from: Mapping[str, str] = {}
    reused: Mapping[str, Mapping[str, Any]] = {}
    of_table: Mapping[str, Any] = {}
    degraded: Mapping[str, LowerRung] = {}


class DeltaTableIOManager(dg.ConfigurableIOManager):
    """Publishes frames as partitions of the asset's table, and reads the versions that the run pinned.

    The asset's metadata names the column whose string is the partition key (`ml_platform/partition_column`) and the
    order of the rows of a partition (`ml_platform/sort_by`).
    """

    location: dg.ResourceDependency[StorageLocation]
    _read_by_step: dict[str, dict[str, int]] = PrivateAttr(default_factory=dict)

    def handle_output(  # type: ignore[override]
        self, context: dg.OutputContext, obj: pl.DataFrame | pl.LazyFrame | Publishable
    ) -> Iterator[DagsterEvent]:
        """Publish `obj` as the whole content of the run's partitions, in one commit; no commit if nothing changed.

        Raises:
            DefinitionError: the asset is partitioned and does not name its partition column, or `obj` is no frame.
            StorageError: the frame does not fit the partitions or the table.
        """
        name, partitions = "/".join(context.asset_key.path), _partitions(context)
        given = obj if isinstance(obj, Publishable) else Publishable(obj)
        publication = self._publish(context, name, given, partitions)
        self.location.pins(context.step_context.dagster_run).repin(name, publication.version)
        self._remember(name, given, publication, context.run_id)
        told = {**given.told, **{key: {**told, "reused": True} for key, told in given.reused.items()}}
        own = {key: {"dagster/row_count": publication.rows[key], **told.get(key, {})} for key in partitions}
        own[partitions[-1]] |= given.of_table
        for key, lower in given.degraded.items():
            own[key] |= {DEGRADED_TAG: lower.reason}
        metadata = {**self._metadata(context, name, publication), "partitions_reused": len(given.reused)}
        if len(partitions) > 1:
            hashes = {key: publication.content_hashes[key] for key in partitions}
            yield from materializations(context, hashes, metadata, own, given.degraded)
        else:
            content = publication.content_hashes[partitions[0]]
            context.step_context.set_data_version(context.asset_key, dg.DataVersion(content))
            context.add_output_metadata({**metadata, **own[partitions[0]]})

    def publish_unmaterialized(
        self, context: dg.OpExecutionContext, spec: dg.AssetSpec, frame: pl.DataFrame, partitions: Sequence[str]
    ) -> Publication:
        """Publish `frame` as the whole content of `partitions`, for people to read; to Dagster nothing was made.

        For a step that fails after it: what it was to make is then still to be made, all of it. The content is
        remembered as made from nothing, so the next run makes it again, and materializes it.

        Raises:
            StorageError: the frame does not fit the partitions or the table.
        """
        name, metadata = "/".join(spec.key.path), spec.metadata
        published = self.location.tables().publish(
            name,
            frame,
            partitions,
            key=_text(metadata.get(PARTITION_COLUMN)),
            sort_by=_texts(metadata.get(SORT_BY)),
            commit=self._commit_metadata(context, name, partitions, frame.height, metadata),
        )
        self.location.pins(context.run).repin(name, published.version)
        return published

    def reusable(self, name: str, made_from: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
        """What was told of each partition of `name` that is published just as `made_from` would make it again.

        Hand it back in `Publishable.reused`, and compute the others.
        """
        published = self.location.tables().published(name)
        return Memo(self.location.artifacts(), name).reusable(made_from, published)

    def read_states(self, run: dg.DagsterRun, name: str) -> dict[str, PartitionState]:
        """Content hash and rows of each partition of `name` in the version that the run pinned; only the log is read.

        Raises:
            TableNotFoundError: the table was never published.
        """
        return self.location.tables().partitions(name, self.location.pins(run).pin(name))

    def _publish(
        self, context: dg.OutputContext, name: str, given: Publishable, partitions: Sequence[str]
    ) -> Publication:
        """The publication of the computed partitions, with those that stand added as unchanged."""
        computed = [key for key in partitions if key not in given.reused]
        tables = self.location.tables()
        standing: dict[str, PartitionState] = {}
        if not computed:
            publication = Publication(tables.version(name) or 0, {}, {}, (), ())
        else:
            frame = _frame(name, given.frame)
            publication = tables.publish(
                name,
                frame,
                computed,
                key=_partition_column(name, context),
                sort_by=_texts(context.definition_metadata.get(SORT_BY)),
                commit=self._commit_metadata(context, name, computed, frame.height, context.definition_metadata),
            )
        if given.reused:
            standing = {
                key: state for key, state in tables.partitions(name, publication.version).items() if key in given.reused
            }
        return publication._replace(
            content_hashes={
                **publication.content_hashes,
                **{key: state.content_hash for key, state in standing.items()},
            },
            rows={**publication.rows, **{key: state.rows for key, state in standing.items()}},
            unchanged=(*publication.unchanged, *standing),
        )

    def _remember(self, name: str, given: Publishable, publication: Publication, run_id: str) -> None:
        made = {
            key: Made(made_from, publication.content_hashes[key], {**given.told.get(key, {}), MADE_BY_RUN: run_id})
            for key, made_from in given.made_from.items()
            if key not in given.reused
        }
        Memo(self.location.artifacts(), name).record(made)

    def load_input(self, context: dg.InputContext) -> pl.LazyFrame | pl.DataFrame:
        """Rows of the mapped partitions in the version that the run pinned; eager where the input is typed DataFrame.

        Raises:
            TableNotFoundError: the table was never published.
            PartitionNotPublishedError: none of the mapped partitions is published.
        """
        name = "/".join(context.asset_key.path)
        version = self.location.pins(context.step_context.dagster_run).pin(name)
        self._read_by_step.setdefault(context.step_context.step.key, {})[name] = version
        asked = list(context.asset_partition_keys) if context.has_asset_partitions else None
        rows, read = self.location.tables().read(name, version=version, partitions=asked)
        told = {"table_version": version, "partitions_read": len(read), "partitions_asked": len(asked or read)}
        _note(context, told)
        return rows.collect() if context.dagster_type.typing_type is pl.DataFrame else rows

    def _commit_metadata(
        self,
        context: dg.OutputContext | dg.OpExecutionContext,
        name: str,
        partitions: Sequence[str],
        rows: int,
        metadata: Mapping[str, Any],
    ) -> dict[str, str]:
        read_versions = self._read_by_step.get(_step_key(context), {})
        return {
            "run_id": context.run_id,
            "job": context.job_name,
            "asset": name,
            "first_partition": partitions[0],
            "last_partition": partitions[-1],
            "partitions": str(len(partitions)),
            "rows": str(rows),
            "sort_by": json.dumps(_texts(metadata.get(SORT_BY))),
            "read_versions": json.dumps(read_versions, sort_keys=True),
        }

    def _metadata(self, context: dg.OutputContext, name: str, publication: Publication) -> dict[str, Any]:
        return {
            "dagster/uri": f"{self.location.data_uri.rstrip('/')}/{name}",
            "table_version": publication.version,
            "partitions_written": len(publication.written),
            "partitions_unchanged": len(publication.unchanged),
            "content_root": root_hash(publication.content_hashes),
            "read_versions": dg.MetadataValue.json(self._read_by_step.get(context.step_key, {})),
        }


class RecordIOManager(dg.ConfigurableIOManager):
    """Keeps one small JSON document for each partition: a pydantic model or plain JSON data.

    A run over several partitions returns a mapping from partition key to document, and is given one back. With
    `ml_platform/record_type` ("module:Class") in the asset's metadata, that model is read, otherwise plain data.
    """

    location: dg.ResourceDependency[StorageLocation]

    def handle_output(  # type: ignore[override]
        self, context: dg.OutputContext, obj: Any
    ) -> Iterator[DagsterEvent]:
        """Write each partition's document, whole or not at all.

        Raises:
            DefinitionError: a run over several partitions did not return exactly a document for each.
        """
        name = "/".join(context.asset_key.path)
        partitions = _partitions(context)
        records = _by_partition(name, obj, partitions)
        documents = {key: record_document(record) for key, record in records.items()}
        for key, document in documents.items():
            self.location.artifacts().write(record_path(name, key), document)
        hashes = {key: _data_version(records[key], document) for key, document in documents.items()}
        uri = {key: self.location.artifacts().uri_of(record_path(name, key)) for key in documents}
        if len(partitions) > 1:
            yield from materializations(context, hashes, {}, {key: {"dagster/uri": uri[key]} for key in documents})
        else:
            context.step_context.set_data_version(context.asset_key, dg.DataVersion(hashes[partitions[0]]))
            context.add_output_metadata({"dagster/uri": uri[partitions[0]]})

    def load_input(self, context: dg.InputContext) -> Any:
        """The document of the mapped partition, or a mapping of them where there are several.

        Raises:
            PartitionNotPublishedError: no document was ever written for any of them.
        """
        name = "/".join(context.asset_key.path)
        keys = list(context.asset_partition_keys) if context.has_asset_partitions else [UNPARTITIONED]
        store = self.location.artifacts()
        present = {key: store.read(record_path(name, key)) for key in keys if store.exists(record_path(name, key))}
        if not present:
            raise PartitionNotPublishedError(
                f"{name}: no record was written for {', '.join(keys[:3])}{' and more' if len(keys) > 3 else ''}.",
                remedy=f"Materialize {name} for these partitions first.",
            )
        upstream = context.upstream_output
        known = {**context.definition_metadata, **(upstream.definition_metadata if upstream else {})}
        model = _text(known.get(RECORD_TYPE))
        records = {key: _parsed(document, model) for key, document in present.items()}
        return records if len(keys) > 1 else records[keys[0]]


def _step_key(context: dg.OutputContext | dg.OpExecutionContext) -> str:
    return context.step_key if isinstance(context, dg.OutputContext) else str(context.op_handle)


def _partitions(context: dg.OutputContext) -> list[str]:
    return list(context.asset_partition_keys) if context.has_asset_partitions else [UNPARTITIONED]


def _frame(name: str, obj: object) -> pl.DataFrame:
    if isinstance(obj, pl.LazyFrame):
        return obj.collect()
    if isinstance(obj, pl.DataFrame):
        return obj
    raise DefinitionError(
        f"The asset {name} did not return a table.",
        expected="a polars DataFrame or LazyFrame",
        got=type(obj).__name__,
        kept="Nothing was published.",
        remedy="Return a frame, or give the asset another io_manager_key.",
    )


def _partition_column(name: str, context: dg.OutputContext) -> str | None:
    if not context.has_asset_partitions:
        return None
    column = _text(context.definition_metadata.get(PARTITION_COLUMN))
    if column is None:
        raise DefinitionError(
            f"The asset {name} is partitioned and does not say by which column.",
            expected=f"metadata '{PARTITION_COLUMN}': the column whose text is the partition key",
            remedy="Add it to the asset's metadata.",
        )
    return column


def _note(context: dg.InputContext, metadata: Mapping[str, Any]) -> None:
    """Put metadata on the LOADED_INPUT event; `add_input_metadata` would also record an observation of the upstream."""
    context._user_generated_metadata = {**context._user_generated_metadata, **normalize_metadata(dict(metadata))}


def _value(metadata: object) -> object:
    return metadata.value if isinstance(metadata, dg.MetadataValue) else metadata


def _text(metadata: object) -> str | None:
    value = _value(metadata)
    return None if value is None else str(value)


def _texts(metadata: object) -> list[str]:
    value = _value(metadata)
    return [str(item) for item in value] if isinstance(value, list | tuple) else [] if value is None else [str(value)]


def _by_partition(name: str, obj: Any, partitions: Sequence[str]) -> Mapping[str, Any]:
    if len(partitions) == 1:
        return {partitions[0]: obj}
    if not isinstance(obj, Mapping) or set(obj) != set(partitions):
        raise DefinitionError(
            f"The asset {name} ran over {len(partitions)} partitions and did not return one record for each.",
            expected=f"a mapping with the keys {', '.join(partitions[:3])} and so on",
            got=", ".join(map(str, list(obj)[:3])) if isinstance(obj, Mapping) else type(obj).__name__,
            kept="Nothing was written.",
        )
    return obj


def record_document(record: object) -> bytes:
    data = record.model_dump(mode="json") if isinstance(record, BaseModel) else record
    return json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False).encode()


def _data_version(record: object, document: bytes) -> str:
    """The record's own word on what it holds (`data_version`), or the hash of all of it."""
    return str(getattr(record, "data_version", "")) or hashlib.sha256(document).hexdigest()


def _parsed(document: bytes, model: str | None) -> Any:
    if model is None:
        return json.loads(document)
    module, _, attribute = model.partition(":")
    return getattr(importlib.import_module(module), attribute).model_validate_json(document)


def record_path(name: str, partition: str) -> str:
    """Where a record is."""
    return f"records/{name}/{record_file_name(partition)}"
