"""Ticks of sensors, as the daemon makes them: the cursor of one is what the next begins with."""

from collections.abc import Sequence
from typing import NamedTuple

import dagster as dg
from dagster._core.instance.types import CachingDynamicPartitionsLoader
from dagster._core.test_utils import create_run_for_test


class Ticked(NamedTuple):
    """What one tick asked for, and said."""

    requests: Sequence[dg.RunRequest]
    told: str

    @property
    def ranges(self) -> list[str]:
        """The partitions of each request."""
        return [str(request.run_key).partition(":")[0] for request in self.requests]

    @property
    def assets(self) -> list[str]:
        """The last part of the key of each asset that the first request is for."""
        return [key.path[-1] for key in self.requests[0].asset_selection or []]


class Sensors:
    """The sensors of some definitions, on an instance, with their cursors."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        """Nothing was evaluated yet."""
        self.repository, self.instance = definitions.get_repository_def(), instance
        self.cursors: dict[str, str | None] = {}

    def tick(self, name: str, *, job: str = "") -> Ticked:
        """What the sensor asks for; with `job`, runs of it that succeeded are recorded as if they had been made."""
        ticked = self.evaluate(name)
        for request in ticked.requests if job else []:
            create_run_for_test(self.instance, job, status=dg.DagsterRunStatus.SUCCESS, tags=dict(request.tags))
        return ticked

    def evaluate(self, name: str) -> Ticked:
        """One evaluation."""
        sensor = self.repository.get_sensor_def(name)
        wanted = sensor.required_resource_keys
        resources = {key: self.repository.get_top_level_resources()[key] for key in wanted}
        with dg.build_sensor_context(
            self.instance, self.cursors.get(name), repository_def=self.repository, resources=resources
        ) as context:
            keys = CachingDynamicPartitionsLoader(self.instance)
            context.__dict__["caching_dynamic_partitions_loader"] = keys  # as of a daemon
            result = sensor.evaluate_tick(context)
        self.cursors[name] = result.cursor
        for added in result.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(added.partitions_def_name, list(added.partition_keys))
        return Ticked(result.run_requests or [], result.skip_message or "")
