"""Tables, records and landing objects as OpenLineage datasets, with the facets that are known of them.

Belongs here: names and facets of datasets. Does not: the runs that read and write them (`openlineage`).
Names follow OpenLineage's rules for object stores: the bucket is the namespace, the path is the name; local files are
in the namespace `file`.
Source: https://openlineage.io/docs/spec/naming
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import dagster as dg
from openlineage.client import event_v2, facet_v2
from openlineage.client.generated.base import DatasetFacet, OutputDatasetFacet

from ml_platform.provenance.trace import Check
from ml_platform.provenance.trace_history import Made
from ml_platform.provenance.trace_links import AssetLinks
from ml_platform.settings import Settings

_COLUMN_LINEAGE = "dagster/column_lineage"
_ROWS_FOLLOW_FROM = "rows_follow_from"


class Datasets:
    """The datasets of one platform."""

    def __init__(self, links: AssetLinks, settings: Settings) -> None:
        """Name datasets by where `settings` place them."""
        self._links, self._settings = links, settings

    def inputs(self, asset: str, made: Sequence[Made]) -> Iterator[event_v2.InputDataset]:
        """What the materializations of one asset in one step were made from: tables as they were read, and the rest."""
        read = {table: version for each in made for table, version in each.read_versions.items()}
        for table, version in sorted(read.items()):
            facets = {**self._facets(table), "version": _version(str(version))}
            yield event_v2.InputDataset(*self._place(table), facets=facets)
        for parent in self._links.parents(asset) if self._links.has(asset) else ():
            kind = self._links.kind(parent)
            if kind == "record":
                yield event_v2.InputDataset(*self._place(parent), facets=self._facets(parent))
            elif kind == "landing":
                yield from self._landed(parent, made)

    def output(self, asset: str, made: Sequence[Made]) -> event_v2.OutputDataset:
        """What one step published of one asset, all partitions together."""
        facets, latest = self._facets(asset), made[-1]
        version = latest.metadata.get("table_version", latest.data_version)
        if version is not None:
            facets["version"] = _version(str(version))
        if (lineage := latest.metadata.get(_COLUMN_LINEAGE)) is not None:
            facets["columnLineage"] = self._column_lineage(lineage, latest.metadata.get(_ROWS_FOLLOW_FROM) or {})
        rows = [each.metadata.get("dagster/row_count") for each in made]
        counted = [count for count in rows if isinstance(count, int)]
        statistics = facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=sum(counted))
        own: dict[str, OutputDatasetFacet] = {"outputStatistics": statistics} if counted else {}
        return event_v2.OutputDataset(*self._place(asset), facets=facets, outputFacets=own)

    def checked(self, asset: str, made: Sequence[Made], checks: Sequence[Check]) -> event_v2.InputDataset:
        """The asset with what its checks found; without a version if nothing was published."""
        facets = self._facets(asset)
        if made and (version := made[-1].metadata.get("table_version")) is not None:
            facets["version"] = _version(str(version))
        assertions = facet_v2.data_quality_assertions_dataset
        found = [
            assertions.Assertion(
                assertion=check.name,
                success=check.passed,
                severity=check.severity.lower(),
                name=check.name,
                params=dict(check.counts),
            )
            for check in checks
        ]
        own = {"dataQualityAssertions": assertions.DataQualityAssertionsDatasetFacet(assertions=found)}
        return event_v2.InputDataset(*self._place(asset), facets=facets, inputFacets={**own})

    def _landed(self, landing: str, made: Sequence[Made]) -> Iterator[event_v2.InputDataset]:
        hashes = sorted({str(each.metadata["landing_sha256"]) for each in made if "landing_sha256" in each.metadata})
        facets = self._facets(landing)
        if hashes:
            one = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
            facets["version"] = _version(one)
        yield event_v2.InputDataset(*self._place(landing), facets=facets)

    def _facets(self, asset: str) -> dict[str, DatasetFacet]:
        """Where the dataset is, and its columns if it is a table."""
        uri = self._uri(asset)
        source = facet_v2.datasource_dataset.DatasourceDatasetFacet(name=self._place(asset)[0], uri=uri)
        facets: dict[str, DatasetFacet] = {"dataSource": source}
        if self._links.has(asset) and self._links.kind(asset) == "table":
            schema = facet_v2.schema_dataset
            fields = [
                schema.SchemaDatasetFacetFields(name=column.name, type=column.type, description=column.description)
                for column in self._links.columns(asset)
            ]
            facets["schema"] = schema.SchemaDatasetFacet(fields=fields)
        return facets

    def _column_lineage(self, lineage: dg.TableColumnLineage, rows: Mapping[str, Sequence[str]]) -> DatasetFacet:
        """Columns by column, and those that decide which rows there are."""
        facet = facet_v2.column_lineage_dataset
        fields = {
            column: facet.Fields(
                inputFields=[
                    facet.InputField(*self._place("/".join(each.asset_key.path)), each.column_name) for each in above
                ]
            )
            for column, above in lineage.deps_by_column.items()
        }
        selects = [facet.Transformation(type="INDIRECT", subtype="FILTER")]
        dataset = [
            facet.InputField(*self._place(table), name, transformations=selects)
            for table, names in rows.items()
            for name in names
        ]
        return facet.ColumnLineageDatasetFacet(fields=fields, dataset=dataset)

    def _place(self, asset: str) -> tuple[str, str]:
        """Namespace and name."""
        parts = urlsplit(self._uri(asset))
        is_file = parts.scheme == "file"
        return ("file", parts.path) if is_file else (f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/"))

    def _uri(self, asset: str) -> str:
        kind = self._links.kind(asset) if self._links.has(asset) else "table"
        if kind == "record":
            return f"{self._settings.artifact_uri.rstrip('/')}/records/{asset}"
        if kind == "landing":
            folder = self._links.pattern(asset).partition("{")[0].partition("*")[0]
            if "://" in folder:
                return folder.rstrip("/")
            return f"{self._settings.landing_uri.rstrip('/')}/{folder}".rstrip("/")
        return f"{self._settings.data_uri.rstrip('/')}/{asset}"


def _version(text: str) -> DatasetFacet:
    return facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=text)
