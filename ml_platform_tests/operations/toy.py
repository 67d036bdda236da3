"""Two tables of toys by day, whose runs fail as a test wants."""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context

from ml_platform.errors import ContractViolatedError
from ml_platform.recovery.retries import StepRetries

DAYS = ["2013-07-04", "2013-07-05", "2013-07-06"]
BY_DAY = dg.StaticPartitionsDefinition(DAYS)
SECRET_ROW = "Jane Doe, 555-0100"


class World:
    """What goes wrong: the error that `toy/clean` raises, and whether its check passes."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.passes = True

    @property
    def assets(self) -> list[dg.AssetsDefinition]:
        """`toy/clean`, with a check, and `toy/labels` after it."""
        check = dg.AssetCheckSpec("toys_are_whole", asset=dg.AssetKey(["toy", "clean"]))

        @dg.asset(
            key=["toy", "clean"],
            partitions_def=BY_DAY,
            check_specs=[check],
            retry_policy=StepRetries(),
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def clean(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
            if self.error:
                raise self.error
            for key in context.partition_keys:
                context.log_event(dg.AssetMaterialization(["toy", "clean"], partition=key))
            yield dg.MaterializeResult(metadata={"table_version": 7})
            yield dg.AssetCheckResult(passed=self.passes, description="2 toys are broken.")

        @dg.asset(
            key=["toy", "labels"],
            deps=[["toy", "clean"]],
            partitions_def=BY_DAY,
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def labels() -> None:
            return None

        return [clean, labels]

    def run(self, instance: dg.DagsterInstance, first: str, last: str = "", only: str = "") -> str:
        """Id of a finished run over the days from `first` to `last`."""
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last or first}
        with partition_loading_context(dynamic_partitions_store=instance):
            done = dg.materialize(
                self.assets,
                instance=instance,
                selection=[dg.AssetKey(["toy", only])] if only else None,
                tags=tags if last else {},
                partition_key=None if last else first,
                raise_on_error=False,
            )
        return done.run_id


def refused() -> ContractViolatedError:
    """An error of the platform, which quotes no row."""
    return ContractViolatedError("toy/clean 2013-07-04 refused 9 of 10 toys.", remedy="Mend the toys.")
