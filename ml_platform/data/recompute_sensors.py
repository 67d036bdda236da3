"""Sensors that have degraded days and registers made again once their landing objects, or days they look back on, came.

Belongs here: what makes a cause of the data location sound. Does not: which runs follow (`components.recomputing`).
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from ml_platform.components.automation_sensor import Job
from ml_platform.components.cuts import By
from ml_platform.components.recomputing import recompute_sensor
from ml_platform.components.use_case import UseCase
from ml_platform.data.component import DataPipeline, FeatureTable
from ml_platform.data.declared_source import source_of
from ml_platform.data.fallback import sound_again
from ml_platform.data.look_back import missing_days
from ml_platform.data.partitioning import tables_by
from ml_platform.recovery.degradation import Degradation
from ml_platform.storage.location import StorageLocation


def recompute_sensors(
    pipeline: DataPipeline, use_case: UseCase, jobs: Mapping[By, Job], assets: Sequence[dg.AssetsDefinition]
) -> list[dg.SensorDefinition]:
    """`<job>_on_sound_causes` for the jobs over days, keys and registers, where a fallback is declared."""
    by = tables_by(pipeline)
    bridges = any(history.last_known_within_days for table in pipeline.features for history in table.inputs)
    declared = {
        cut: any(table.fallback for table in pipeline.landed if by[table.name] == cut or cut != "whole")
        or (cut == "day" and bridges)
        for cut in jobs
    }
    causes = _Causes(pipeline, use_case)
    return [
        recompute_sensor(
            f"{job.name}_on_sound_causes",
            job,
            [asset for asset in assets if by[next(iter(asset.keys)).path[-1]] == cut],
            use_case.partitions(cut),
            causes.sound_again,
        )
        for cut, job in jobs.items()
        if declared[cut]
    ]


class _Causes:
    """What the tables of one pipeline are degraded for."""

    def __init__(self, pipeline: DataPipeline, use_case: UseCase) -> None:
        self._use_case = use_case
        self._landed = {f"{use_case.name}/{table.name}": table for table in pipeline.landed}
        self._features = {f"{use_case.name}/{table.name}": table for table in pipeline.features}

    def sound_again(self, location: StorageLocation, mark: Degradation) -> str | None:
        """The state of what a mark is for, if it is another than was seen, and may do."""
        if mark.table in self._landed:
            table = self._landed[mark.table]
            return sound_again(source_of(self._use_case, table, location), table, mark)
        if mark.table in self._features:
            missing = self._missing(location, self._features[mark.table], mark.partition)
            return None if missing == mark.seen else f"without {missing or 'no day'}"
        return None

    def _missing(self, location: StorageLocation, table: FeatureTable, day: str) -> str:
        read = {history.table for history in table.inputs}
        published = {name: location.tables().published(f"{self._use_case.name}/{name}") for name in read}
        return missing_days(self._use_case, table, published, day)
