"""The job that maintains a use case's tables, and its weekly schedule."""

from collections.abc import Mapping, Sequence

import dagster as dg
from pydantic import Field

from ml_platform.components.schedules import SUNDAYS_AT_FOUR
from ml_platform.components.use_case import UseCase
from ml_platform.storage.retention import RetentionPolicy
from ml_platform.training.maintenance import MaintenanceReport, Places, maintain

_KEPT = RetentionPolicy.model_fields


class MaintenanceConfig(dg.Config):
    """What maintenance may do."""

    apply: bool = Field(False, description="Do it; otherwise only say what would be done.")
    keep_days: int = Field(_KEPT["keep_days"].default, ge=1, description=_KEPT["keep_days"].description)
    keep_versions: int = Field(_KEPT["keep_versions"].default, ge=1, description=_KEPT["keep_versions"].description)
    unfinished_hours: int = Field(
        _KEPT["unfinished_hours"].default, ge=1, description=_KEPT["unfinished_hours"].description
    )

    def policy(self) -> RetentionPolicy:
        """What has to be kept."""
        return RetentionPolicy(
            keep_days=self.keep_days, keep_versions=self.keep_versions, unfinished_hours=self.unfinished_hours
        )


def maintenance_definitions(use_case: UseCase) -> dg.Definitions:
    """The job, which only says what it would do unless told otherwise, and a schedule that does it, stopped."""
    job = maintenance_job(use_case)
    return dg.Definitions(jobs=[job], schedules=[_weekly(use_case, job)])


def maintenance_job(use_case: UseCase) -> dg.JobDefinition:
    """The job: one step, in the process of the run."""
    name = f"maintain_{use_case.name}_tables"

    @dg.op(
        name=_step(use_case),
        retry_policy=use_case.retries(),
        required_resource_keys={"tables", "tracking"},
        out=dg.Out(dg.Nothing),
    )
    def maintain_tables(context: dg.OpExecutionContext, config: MaintenanceConfig) -> None:
        places = Places(context.resources.tables.location, context.resources.tracking.registry, context.instance)
        commit = {"run_id": context.run_id, "job": name}
        report = maintain(places, config.policy(), apply=config.apply, use_case=use_case.name, commit=commit)
        context.log.info(_summary(report))
        context.add_output_metadata(_metadata(report))

    @dg.job(
        name=name,
        executor_def=dg.in_process_executor,
        description="Drops old versions that nothing pins, with their data files; merges small files; removes "
        "leftovers. Says only what it would do unless `apply` is set.",
    )
    def maintenance() -> None:
        maintain_tables()

    return maintenance


def _step(use_case: UseCase) -> str:
    """Not the name of the job, which its graph has."""
    return f"{use_case.name}_maintenance"


def _weekly(use_case: UseCase, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=f"{job.name}_weekly",
        job=job,
        cron_schedule=SUNDAYS_AT_FOUR,
        execution_timezone=use_case.timezone,
        run_config={"ops": {_step(use_case): {"config": {"apply": True}}}},
        description=f"Sundays at four in {use_case.timezone}, with `apply`: who starts this schedule wants it done.",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )


def _summary(report: MaintenanceReport) -> str:
    files = sum(each.superseded_files + each.abandoned_files + each.checkpoints for each in report.tables)
    left = sum(each.objects for each in report.leftovers)
    done = "Deleted" if report.is_applied else "A dry run; with `apply` it would delete"
    return f"{done} {files} files of tables and {left} leftovers, {report.bytes:,} bytes."


def _metadata(report: MaintenanceReport) -> dict[str, dg.MetadataValue]:
    tables: list[dict[str, str | int]] = [
        {
            "table": each.table,
            "newest version": each.newest_version,
            "pinned versions": ", ".join(map(str, each.pinned_versions)),
            "versions dropped": len(each.dropped_versions),
            "data files deleted": each.superseded_files + each.abandoned_files,
            "checkpoints deleted": each.checkpoints,
            "bytes": each.bytes,
            "partitions merged": each.merged_partitions,
            "log bytes": each.log_bytes,
        }
        for each in report.tables
    ]
    return {
        "is_applied": dg.MetadataValue.bool(report.is_applied),
        "bytes": dg.MetadataValue.int(report.bytes),
        "tables": _table(tables),
        "leftovers": _table([each.model_dump() for each in report.leftovers]),
    }


def _table(rows: Sequence[Mapping[str, str | int]]) -> dg.MetadataValue:
    """A table whose columns stay in the order of the first row's keys."""
    columns = [dg.TableColumn(name) for name in (rows[0] if rows else ())]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], dg.TableSchema(columns))
