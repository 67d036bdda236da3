"""What follows from a table that changed: Dagster's declarative automation, with early cut-off at unchanged content.

    content of a partition of an input changed  --since-->  the partition was asked for, made, or failed
    and every input of it is published, and neither it nor an input of it is being made

Whoever changed the input, a run, a person or a restore: what is made of exactly these partitions is made again. One
that was made again with the same content starts nothing. What is missing or failed starts nothing by itself.

Belongs here: the condition of a table, and the sensor that evaluates the conditions of a use case. Does not: what
landed (`data.landing_sensors`), or what other locations make of tables.
"""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.asset_key import AssetOrCheckKey
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionsFilter, BulkActionStatus
from dagster._core.storage.dagster_run import RunsFilter
from dagster._core.storage.tags import SENSOR_NAME_TAG

from ml_platform.components.automation_sensor import UNFINISHED, default_status, is_on
from ml_platform.components.use_case import UseCase
from ml_platform.settings import SensorKind, environment_settings
from ml_platform.storage.location import StorageLocation

_KIND: SensorKind = "changes"


class NotPublished(dg.AutomationCondition[dg.AssetKey]):
    """True of partitions that the table has not, which Dagster does not know of one that a restore took away."""

    @property
    def description(self) -> str:
        """As the UI shows it."""
        return "Not published"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """By the log of the table, which is read only where something changed."""
        asked = context.candidate_subset
        if asked.is_empty:
            return dg.AutomationResult(context, asked)
        published = StorageLocation.of(environment_settings()).tables().published("/".join(context.key.path)).keys()
        if not asked.is_partitioned:
            return dg.AutomationResult(context, context.get_empty_subset() if published else asked)
        there = asked.expensively_compute_partition_keys() & published
        return dg.AutomationResult(
            context, asked.compute_difference(asked.compute_intersection_with_partition_keys(there))
        )


def on_changed_inputs(bridged: Sequence[dg.AssetKey] = ()) -> dg.AutomationCondition[AssetOrCheckKey]:
    """The condition of a table; it does not wait for partitions of `bridged` inputs, which it can do without."""
    condition = dg.AutomationCondition
    handled = condition.newly_requested() | condition.newly_updated() | condition.execution_failed().newly_true()
    changed = condition.any_deps_match(condition.data_version_changed()).since(handled)
    unpublished = condition.any_deps_match(NotPublished())
    if bridged:
        unpublished = unpublished.ignore(dg.AssetSelection.assets(*bridged))
    return changed & ~unpublished & ~condition.any_deps_in_progress() & ~condition.in_progress()


def changes_sensor(use_case: UseCase, tables: Sequence[dg.AssetKey]) -> dg.AutomationConditionSensorDefinition:
    """`build_<use case>_tables_on_changed_inputs`: evaluates the conditions of `tables`, in few single runs.

    Quarantines are among these: they have no condition, and are made in the step of their table.
    """
    name = _name(use_case)
    return dg.AutomationConditionSensorDefinition(
        name,
        target=dg.AssetSelection.assets(*tables),
        description="Makes again what is made of a table whose content changed, whoever changed it; partitions whose "
        "content is as it was start nothing.",
        minimum_interval_seconds=environment_settings().sensor_interval_seconds,
        default_status=default_status(_KIND),
        use_user_code_server=True,  # conditions of our own cannot be evaluated elsewhere
        run_tags={SENSOR_NAME_TAG: name},
        tags={"ml_platform/kind": _KIND},
    )


def follows_changes(instance: dg.DagsterInstance, use_case: UseCase) -> bool:
    """Whether the sensor is on."""
    return is_on(instance, _name(use_case), _KIND)


def is_following(instance: dg.DagsterInstance, use_case: UseCase) -> bool:
    """Whether something that the sensor asked for is not finished."""
    return bool(following_runs(instance, use_case)) or has_open_backfill(instance, use_case)


def following_runs(instance: dg.DagsterInstance, use_case: UseCase) -> Sequence[dg.DagsterRun]:
    """Runs that the sensor asked for and that are not finished."""
    return instance.get_runs(RunsFilter(tags={SENSOR_NAME_TAG: _name(use_case)}, statuses=UNFINISHED))


def has_open_backfill(instance: dg.DagsterInstance, use_case: UseCase) -> bool:
    """Whether a backfill that the sensor asked for is not finished."""
    unfinished = [status for status in BulkActionStatus if status not in BULK_ACTION_TERMINAL_STATUSES]
    backfills = instance.get_backfills(BulkActionsFilter(statuses=unfinished))
    return any(backfill.tags.get(SENSOR_NAME_TAG) == _name(use_case) for backfill in backfills)


def _name(use_case: UseCase) -> str:
    return f"build_{use_case.name}_tables_on_changed_inputs"
