import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from pydantic import BaseModel

from ml_platform.errors import PartitionMismatchError, PartitionNotPublishedError, TableNotFoundError
from ml_platform.settings import Settings
from ml_platform.storage.io_managers import RECORD_TYPE
from ml_platform.storage.location import RESUME_RETRY_TAG, ROOT_RUN_TAG, StorageLocation
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.storage.daily import BY_DAY, BY_DAY_METADATA, READINGS, TOTAL, TRAILING, World
from ml_platform_tests.storage.scenario import readings

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")  # backfill policies; used on purpose

DAYS = [f"2013-01-{day:02d}" for day in range(1, 11)]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def world(anywhere: Settings, instance: dg.DagsterInstance) -> World:
    return World(anywhere, instance)


def materializations(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> list[dg.AssetMaterialization]:
    return [
        e.step_materialization_data.materialization
        for e in result.get_asset_materialization_events()
        if e.asset_key == key
    ]


def metadata(event: dg.AssetMaterialization) -> dict[str, Any]:
    return {name: value.value for name, value in event.metadata.items()}


def test_a_run_over_several_days_makes_one_commit_and_one_event_for_each_day(world: World) -> None:
    events = materializations(world.run(READINGS, days=DAYS), READINGS)
    assert [event.partition for event in events] == DAYS
    assert len(world.tables.history("toy/readings")) == 1
    assert world.tables.scan("toy/readings").collect().equals(readings(DAYS))


def test_each_day_has_the_data_version_of_its_own_content(world: World) -> None:
    world.run(READINGS, days=DAYS)
    contents = {day: state.content_hash for day, state in world.tables.partitions("toy/readings").items()}
    assert world.versions(READINGS) == contents
    assert len(set(contents.values())) == len(DAYS)


def test_days_one_by_one_are_equal_to_days_in_one_run(world: World) -> None:
    together, elsewhere = world, world.settings.model_copy(update={"data_uri": f"{world.settings.data_uri}/apart"})
    apart = World(elsewhere, world.instance)
    together.run(READINGS, TRAILING, days=DAYS[:4])
    versions = together.versions(TRAILING)
    for day in DAYS[:4]:
        apart.run(READINGS, TRAILING, days=[day])
    assert apart.versions(TRAILING) == versions
    assert apart.tables.content_root("toy/trailing") == together.tables.content_root("toy/trailing")


def test_a_second_run_writes_nothing_and_keeps_every_data_version(world: World) -> None:
    world.run(READINGS, days=DAYS)
    before = world.versions(READINGS)
    told = metadata(materializations(world.run(READINGS, days=DAYS), READINGS)[0])
    assert (told["table_version"], told["partitions_written"], told["partitions_unchanged"]) == (0, 0, len(DAYS))
    assert world.versions(READINGS) == before


def test_the_events_say_where_the_table_is_and_what_was_read(world: World) -> None:
    result = world.run(READINGS, TRAILING, days=DAYS)
    told = metadata(materializations(result, TRAILING)[0])
    assert told["dagster/row_count"] == 3
    assert told["dagster/uri"] == f"{world.settings.data_uri}/toy/trailing"
    assert told["read_versions"] == {"toy/readings": 0}
    assert told["content_root"] == world.tables.content_root("toy/trailing")


def test_an_event_of_several_days_carries_code_version_and_provenance(world: World) -> None:
    result = world.run(READINGS, TRAILING, days=DAYS)
    tags = materializations(result, TRAILING)[-1].tags
    assert tags["dagster/code_version"] == "1"
    assert tags["dagster/data_version_is_user_provided"] == "true"
    assert tags["dagster/input_event_pointer/toy/readings"].isdigit()


def stale_days(world: World) -> list[str]:
    resources = storage_resources(world.settings)
    graph = dg.Definitions(assets=world.assets, resources=resources).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(world.instance, graph, LoadingContextForTest(world.instance))
    return [day for day in DAYS if resolver.get_status(TRAILING, day) == StaleStatus.STALE]


def test_only_the_days_that_read_changed_content_become_stale(world: World) -> None:
    world.run(READINGS, TRAILING, days=DAYS)
    world.run(READINGS, days=DAYS)
    assert stale_days(world) == []
    world.shifted = {DAYS[4]}
    world.run(READINGS, days=DAYS)
    assert stale_days(world) == DAYS[4:7]
    world.run(TRAILING, days=DAYS[4:7])
    assert stale_days(world) == []


def test_a_single_day_publishes_its_partition_alone(world: World) -> None:
    world.run(READINGS, days=DAYS)
    world.shifted = {DAYS[3]}
    told = metadata(materializations(world.run(READINGS, days=[DAYS[3]]), READINGS)[0])
    assert (told["table_version"], told["partitions_written"], told["dagster/row_count"]) == (1, 1, 3)
    assert world.versions(READINGS)[DAYS[3]] == world.tables.partitions("toy/readings")[DAYS[3]].content_hash


def test_a_look_back_before_the_first_published_day_is_fine_and_recorded(world: World) -> None:
    world.run(READINGS, days=DAYS[3:6])
    result = world.run(TRAILING, days=[DAYS[3]])
    loaded = next(event for event in result.all_events if event.event_type_value == "LOADED_INPUT")
    told = {name: value.value for name, value in loaded.event_specific_data.metadata.items()}
    assert told == {"table_version": 0, "partitions_read": 1, "partitions_asked": 3}


def test_reading_a_table_without_any_of_the_days_asked_for_fails_in_full(world: World) -> None:
    with pytest.raises(TableNotFoundError, match=r"toy/readings was never published.*Materialize toy/readings first"):
        world.run(TRAILING, days=[DAYS[5]])
    world.run(READINGS, days=DAYS[:2])
    with pytest.raises(PartitionNotPublishedError, match=f"{DAYS[6]}.*{DAYS[7]}"):
        world.run(TRAILING, days=[DAYS[8]])


def test_an_unpartitioned_asset_reads_every_day_and_keeps_a_record(world: World) -> None:
    world.run(READINGS, days=DAYS)
    event = materializations(world.run(TOTAL), TOTAL)[0]
    artifacts = StorageLocation.of(world.settings).artifacts()
    path = metadata(event)["dagster/uri"].removeprefix(f"{artifacts.uri}/")
    assert json.loads(artifacts.read(path)) == {"rows": 30, "sum": readings(DAYS)["reading"].sum()}


def test_a_frame_with_rows_of_other_days_publishes_nothing(world: World) -> None:
    @dg.asset(key=READINGS, partitions_def=BY_DAY, metadata=BY_DAY_METADATA, io_manager_key="tables")
    def careless() -> pl.DataFrame:
        return readings(DAYS)

    world.assets = [careless]
    with pytest.raises(PartitionMismatchError, match="27 rows"):
        world.run(READINGS, days=DAYS[:1])
    assert world.tables.version("toy/readings") is None


def test_an_upstream_of_another_location_is_read_through_its_spec(world: World) -> None:
    world.run(READINGS, days=DAYS)
    spec = dg.AssetSpec(READINGS, partitions_def=BY_DAY).with_io_manager_key("tables")

    @dg.asset(partitions_def=BY_DAY, io_manager_key="records", ins={"upstream": dg.AssetIn(key=READINGS)})
    def hours(upstream: pl.LazyFrame) -> dict[str, list[int]]:
        return {"hours": upstream.select("hour").collect()["hour"].to_list()}

    world.assets = [spec, hours]
    result = world.run(hours.key, days=[DAYS[2]])
    assert result.output_for_node("hours") == {"hours": [0, 8, 16]}


def test_records_of_several_days_come_back_by_day(world: World) -> None:
    @dg.asset(partitions_def=BY_DAY, io_manager_key="records", backfill_policy=dg.BackfillPolicy.single_run())
    def scores(context: dg.AssetExecutionContext) -> dict[str, dict[str, str]]:
        return {day: {"day": day} for day in context.partition_keys}

    @dg.asset(io_manager_key="records")
    def best(scores: dict[str, dict[str, str]]) -> list[str]:
        return [score["day"] for score in scores.values()]

    world.assets = [scores, best]
    world.run(scores.key, days=DAYS[:3])
    assert len(set(world.versions(scores.key).values())) == 3
    assert world.run(best.key).output_for_node("best") == DAYS[:3]


class Score(BaseModel):
    value: float


def test_a_record_is_read_as_the_model_that_its_asset_names(world: World) -> None:
    @dg.asset(io_manager_key="records", metadata={RECORD_TYPE: f"{__name__}:Score"})
    def score() -> Score:
        return Score(value=0.5)

    @dg.asset(io_manager_key="records")
    def doubled(score: Score) -> float:
        return score.value * 2

    world.assets = [score, doubled]
    assert world.run(score.key, doubled.key).output_for_node("doubled") == 1.0


def test_two_tables_of_one_step_each_have_their_own_versions_and_the_metadata_of_their_outputs(world: World) -> None:
    outs = {name: dg.AssetOut(io_manager_key="tables", metadata=BY_DAY_METADATA) for name in ("good", "bad")}

    @dg.multi_asset(outs=outs, partitions_def=BY_DAY, backfill_policy=dg.BackfillPolicy.single_run())
    def split(context: dg.AssetExecutionContext) -> Iterator[dg.Output[pl.DataFrame]]:
        rows = readings(context.partition_keys)
        yield dg.Output(rows.filter(pl.col("hour") > 0), output_name="good", metadata={"kept": 2})
        yield dg.Output(rows.filter(pl.col("hour") == 0), output_name="bad", metadata={"kept": 1})

    world.assets = [split]
    good, bad = dg.AssetKey("good"), dg.AssetKey("bad")
    result = world.run(good, bad, days=DAYS)
    for key, kept in ((good, 2), (bad, 1)):
        told = [metadata(event) for event in materializations(result, key)]
        assert [(each["kept"], each["dagster/row_count"]) for each in told] == [(kept, kept)] * len(DAYS)
        assert len(set(world.versions(key).values())) == len(DAYS)


def test_a_commit_records_the_run_that_made_it(world: World) -> None:
    result = world.run(READINGS, days=DAYS)
    recorded = world.tables.history("toy/readings")[0].metadata
    assert recorded["run_id"] == result.run_id
    assert (recorded["first_partition"], recorded["last_partition"]) == (DAYS[0], DAYS[-1])
    assert (recorded["partitions"], recorded["rows"]) == ("10", "30")


def test_a_retry_from_failure_reads_what_the_run_that_failed_read(world: World) -> None:
    world.run(READINGS, days=DAYS[:2])
    location = StorageLocation.of(world.settings)
    first = dg.DagsterRun(job_name="job", run_id="first")
    retry = dg.DagsterRun(job_name="job", run_id="second", tags={RESUME_RETRY_TAG: "true", ROOT_RUN_TAG: "first"})
    assert location.pins(first).pin("toy/readings") == 0
    world.run(READINGS, days=DAYS[2:4])
    assert location.pins(retry).pin("toy/readings") == 0
    assert location.pins(dg.DagsterRun(job_name="job", run_id="third")).pin("toy/readings") == 1


def test_the_landing_zone_and_the_artifacts_are_object_stores(world: World) -> None:
    @dg.asset(required_resource_keys={"landing", "artifacts"})
    def uris(context: dg.AssetExecutionContext) -> list[str]:
        stores: list[ObjectStore] = [context.resources.landing, context.resources.artifacts]
        return [store.uri for store in stores]

    world.assets = [uris]
    assert world.run(uris.key).output_for_node("uris") == [world.settings.landing_uri, world.settings.artifact_uri]
