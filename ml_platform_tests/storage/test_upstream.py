"""Behaviour of Dagster and Delta Lake that storage leans on; one that fails says what to look at after an upgrade."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.events import DagsterEvent
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.schema import Field, PrimitiveType
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")  # backfill policies; used on purpose

BY_DAY = dg.StaticPartitionsDefinition(["a", "b"])
SCHEMA = Schema([Field("key", PrimitiveType("string")), Field("n", PrimitiveType("long"))])


class Silent(dg.IOManager):
    """Takes the asset key off the output context once it is done, if it is told to."""

    def __init__(self, *, hide_asset: bool) -> None:
        self.hide_asset = hide_asset

    def handle_output(self, context: dg.OutputContext, obj: object) -> Iterator[DagsterEvent]:  # type: ignore[override]
        yield from ()
        context.step_context.set_data_version(context.asset_key, dg.DataVersion("one"))
        if self.hide_asset:
            context._asset_key = None

    def load_input(self, context: dg.InputContext) -> None:
        return None


def events_of_a_run_over_two_partitions(manager: dg.IOManager) -> list[dg.AssetMaterialization]:
    @dg.asset(partitions_def=BY_DAY, backfill_policy=dg.BackfillPolicy.single_run())
    def thing() -> int:
        return 1

    with dg.DagsterInstance.ephemeral() as instance:
        tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}
        result = dg.materialize([thing], resources={"io_manager": manager}, tags=tags, instance=instance)
    return [e.step_materialization_data.materialization for e in result.get_asset_materialization_events()]


def test_dagster_stamps_one_data_version_on_all_partitions_of_a_run() -> None:
    events = events_of_a_run_over_two_partitions(Silent(hide_asset=False))
    versions = {event.partition: (event.tags or {})["dagster/data_version"] for event in events}
    assert versions == {"a": "one", "b": "one"}


def test_dagster_reports_no_output_whose_context_has_no_asset_key_any_more() -> None:
    assert events_of_a_run_over_two_partitions(Silent(hide_asset=True)) == []


def add(folder: Path, name: str, key: str) -> AddAction:
    pl.DataFrame({"n": [1]}).write_parquet(folder / name)
    values: dict[str, str | None] = {"key": key}
    return AddAction(name, (folder / name).stat().st_size, values, 0, data_change=True, stats='{"numRecords": 1}')


def create(folder: Path) -> DeltaTable:
    create_table_with_add_actions(str(folder), SCHEMA, [add(folder, "a.parquet", "a/b #%")], partition_by=["key"])
    return DeltaTable(folder)


def commit(table: DeltaTable, actions: list[AddAction | RemoveAction]) -> None:
    once = CommitProperties(max_commit_retries=0)
    table.create_write_transaction(actions, "append", SCHEMA, ["key"], commit_properties=once)


def test_one_delta_transaction_adds_and_removes_files_anywhere_below_the_table(tmp_path: Path) -> None:
    table = create(tmp_path)
    values: dict[str, str | None] = {"key": "a/b #%"}
    gone = RemoveAction("a.parquet", data_change=True, deletion_timestamp=0, size=1, partition_values=values)
    commit(table, [add(tmp_path, "b.parquet", "b"), gone])
    actions = pl.DataFrame(DeltaTable(tmp_path).get_add_actions(flatten=True))
    assert actions.select("path", "partition.key", "num_records").rows() == [("b.parquet", "b", 1)]


def test_a_delta_commit_without_retries_never_lands_on_a_version_that_it_has_not_seen(tmp_path: Path) -> None:
    first, second = create(tmp_path), DeltaTable(tmp_path)
    commit(first, [add(tmp_path, "b.parquet", "b")])
    with pytest.raises(CommitFailedError):
        commit(second, [add(tmp_path, "c.parquet", "c")])
    assert len(DeltaTable(tmp_path).file_uris()) == 2


def test_a_delta_version_that_does_not_exist_is_an_error_of_its_own_kind(tmp_path: Path) -> None:
    create(tmp_path)
    with pytest.raises(DeltaError):
        DeltaTable(tmp_path, version=7)
