"""A restore as Dagster sees it: what follows is stale, and the restored table keeps its provenance."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from ml_platform.execution.restoring import Restored, restore_and_report
from ml_platform.storage.resources import storage_resources
from ml_platform.storage.restored_events import NOT_PUBLISHED
from ml_platform.storage.restoring import restore
from ml_platform_tests.places import local_settings
from ml_platform_tests.storage.daily import READINGS, TRAILING, World

DAYS = [f"2013-01-{day:02d}" for day in range(1, 11)]
TABLE = "toy/readings"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Version 0 of the readings has nine days; version 1 shifts the fifth, version 2 adds the tenth."""
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(local_settings(tmp_path), instance)
        world.run(READINGS, TRAILING, days=DAYS[:9])
        world.shifted = {DAYS[4]}
        world.run(READINGS, days=DAYS[:9])
        world.run(READINGS, TRAILING, days=DAYS)
        yield world


def stale(world: World, key: dg.AssetKey) -> list[str]:
    resources = storage_resources(world.settings)
    graph = dg.Definitions(assets=world.assets, resources=resources).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(world.instance, graph, LoadingContextForTest(world.instance))
    return [day for day in DAYS if resolver.get_status(key, day) == StaleStatus.STALE]


def restored(world: World, version: int, partitions: list[str] | None = None) -> Restored:
    return restore_and_report(world.instance, world.tables, TABLE, version, partitions=partitions, reason="a drill")


def latest(world: World, day: str) -> dg.AssetMaterialization:
    asked = dg.AssetRecordsFilter(READINGS, asset_partitions=[day])
    event = world.instance.fetch_materializations(asked, limit=1).records[0].asset_materialization
    assert event is not None
    return event


def test_what_follows_from_restored_days_is_stale_and_nothing_else(world: World) -> None:
    assert stale(world, TRAILING) == []
    assert restored(world, 0, [DAYS[4]]).reported == (DAYS[4],)
    assert stale(world, TRAILING) == DAYS[4:7]
    world.shifted = set()
    world.run(READINGS, TRAILING, days=DAYS)
    assert stale(world, TRAILING) == []


def test_dagster_knows_the_content_of_each_day_after_a_restore(world: World) -> None:
    restored(world, 0)
    published = world.tables.partitions(TABLE)
    assert world.versions(READINGS) == {day: state.content_hash for day, state in published.items()} | {
        DAYS[9]: NOT_PUBLISHED
    }


def test_a_restored_day_says_why_and_keeps_the_tags_of_the_run_that_made_it(world: World) -> None:
    restored(world, 0)
    event = latest(world, DAYS[4])
    told = {name: value.value for name, value in event.metadata.items()}
    assert (event.tags or {})["dagster/code_version"] == "1"
    assert (told["restored_version"], told["table_version"], told["restored_because"]) == (0, 3, "a drill")
    assert (told["dagster/row_count"], told["is_published"]) == (3, True)


def test_a_day_that_the_version_did_not_have_is_told_as_not_published(world: World) -> None:
    restored(world, 0)
    told = {name: value.value for name, value in latest(world, DAYS[9]).metadata.items()}
    assert (told["dagster/row_count"], told["is_published"]) == (0, False)
    assert DAYS[9] in stale(world, TRAILING)


def test_a_restore_that_died_before_telling_is_told_of_by_the_next(world: World) -> None:
    restore(world.tables, TABLE, 0)
    again = restored(world, 0)
    assert (again.restoration.is_needed, again.reported) == (False, (DAYS[4], DAYS[9]))
    assert restored(world, 0).reported == ()


def test_after_a_restore_the_asset_makes_its_partition_from_its_inputs_again(world: World) -> None:
    wrong = world.tables.partitions(TABLE)[DAYS[4]]
    restored(world, 0, [DAYS[4]])
    world.run(READINGS, days=[DAYS[4]])
    assert world.tables.partitions(TABLE)[DAYS[4]] == wrong
    assert latest(world, DAYS[4]).tags["dagster/data_version"] == wrong.content_hash  # type: ignore[index]
