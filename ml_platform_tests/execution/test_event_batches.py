"""Events in batches: as Dagster's own storages keep them, on SQLite and on PostgreSQL alike."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.execution.instance import EVENT_BATCH_SIZE
from ml_platform_tests.execution.instances import (
    DAYS,
    KEY,
    entry,
    materialization,
    materialized,
    platform_instance,
    server_instance,
)


@pytest.fixture(params=["sqlite", "postgres"])
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    if request.param == "postgres":
        request.getfixturevalue("database_url")
    with (platform_instance if request.param == "sqlite" else server_instance)(tmp_path) as instance:
        yield instance


def test_a_batch_is_stored_in_order(instance: dg.DagsterInstance) -> None:
    instance.event_log_storage.store_event_batch([entry(materialization(day), "run") for day in DAYS])
    assert materialized(instance) == DAYS


def test_the_last_event_of_a_batch_is_the_latest_of_its_asset(instance: dg.DagsterInstance) -> None:
    instance.event_log_storage.store_event_batch([entry(materialization(day), "run") for day in DAYS])
    latest = instance.get_latest_materialization_event(KEY)
    assert latest is not None
    assert latest.asset_materialization == materialization(DAYS[-1])


def test_data_versions_of_a_batch_are_found_by_partition(instance: dg.DagsterInstance) -> None:
    events = [entry(materialization(day, version), "run") for version in "ab" for day in DAYS]
    instance.event_log_storage.store_event_batch(events)
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        KEY, dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
    )
    assert tags == {day: {"dagster/data_version": "b"} for day in DAYS}


def test_a_batch_with_an_event_that_cannot_be_stored_leaves_nothing(instance: dg.DagsterInstance) -> None:
    unstorable = entry(materialization("2013-02-01"), "run")._replace(timestamp="not a time")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        instance.event_log_storage.store_event_batch([entry(materialization(DAYS[0]), "run"), unstorable])
    assert materialized(instance) == []


def test_events_of_a_run_over_many_partitions_are_written_in_batches(instance: dg.DagsterInstance) -> None:
    assert instance._is_batch_writing_enabled()
    assert instance._get_event_batch_size() == EVENT_BATCH_SIZE


def test_each_asset_of_a_batch_has_its_own_latest_event(instance: dg.DagsterInstance) -> None:
    events = [
        entry(dg.AssetMaterialization(name, partition=day), "run") for day in DAYS for name in ("flights", "weather")
    ]
    instance.event_log_storage.store_event_batch(events)
    latest = [instance.get_latest_materialization_event(dg.AssetKey(name)) for name in ("flights", "weather")]
    assert [event and event.asset_materialization and event.asset_materialization.partition for event in latest] == [
        DAYS[-1]
    ] * 2
