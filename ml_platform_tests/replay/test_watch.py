"""When things became of a landed day, from the history of real runs."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
import pytest

from ml_platform.replay.watch import ReplayedDay, Stage, is_at_rest, look, waits_and_work

BY_DAY = dg.DailyPartitionsDefinition("2013-10-01")
DAY, NEXT_DAY = dt.date(2013, 10, 1), dt.date(2013, 10, 2)


@dg.asset(partitions_def=BY_DAY)
def features() -> None: ...


@dg.asset(partitions_def=BY_DAY)
def predictions() -> None: ...


STAGES = [Stage("features", features.key), Stage("predictions", predictions.key)]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def make(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, day: dt.date) -> str:
    return dg.materialize([asset], instance=instance, partition_key=str(day)).run_id


def test_what_was_published_before_a_day_landed_is_not_counted(instance: dg.DagsterInstance) -> None:
    make(instance, features, DAY)
    (seen,) = look(instance, {DAY: now()}, STAGES)
    assert (seen.stages, seen.seconds_to("features")) == ({}, None)


def test_of_several_publications_after_landing_the_first_counts(instance: dg.DagsterInstance) -> None:
    landed_at = now()
    first = make(instance, features, DAY)
    make(instance, features, DAY)
    (seen,) = look(instance, {DAY: landed_at}, STAGES)
    assert seen.stages["features"].run_id == first


def test_each_day_has_its_own_stages(instance: dg.DagsterInstance) -> None:
    landed = {DAY: now(), NEXT_DAY: now()}
    for asset, day in ((features, DAY), (predictions, DAY), (features, NEXT_DAY)):
        make(instance, asset, day)
    assert [list(each.stages) for each in look(instance, landed, STAGES)] == [["features", "predictions"], ["features"]]


def test_the_parts_of_the_way_add_up_to_the_whole(instance: dg.DagsterInstance) -> None:
    landed_at = now()
    for asset in (features, predictions):
        make(instance, asset, DAY)
    (seen,) = look(instance, {DAY: landed_at}, STAGES)
    parts = waits_and_work(seen, STAGES)
    assert len(parts) == 6
    assert sum(parts.values()) == pytest.approx(seen.seconds_to("predictions"))


def test_nothing_landed_is_nothing_to_look_at(instance: dg.DagsterInstance) -> None:
    assert look(instance, {}, STAGES) == []
    assert is_at_rest(instance)


def test_a_run_in_the_queue_is_no_rest(instance: dg.DagsterInstance) -> None:
    instance.create_run_for_job(
        dg.define_asset_job("job").resolve(asset_graph=dg.Definitions([features]).resolve_asset_graph())
    )
    assert not is_at_rest(instance)


def test_a_day_survives_as_json(instance: dg.DagsterInstance) -> None:
    landed_at = now()
    make(instance, features, DAY)
    (seen,) = look(instance, {DAY: landed_at}, STAGES)
    assert ReplayedDay.model_validate_json(seen.model_dump_json()) == seen
