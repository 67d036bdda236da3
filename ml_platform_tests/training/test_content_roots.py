"""A model is stale exactly when what its month may learn from has changed, at any number of days.

The tables, the instance and the staleness are real; a stand-in takes the place of the model, with its key, its
dependencies and what it says of the roots that it read.
"""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from ml_platform.components.automation import Wanted
from ml_platform.components.use_case import UseCase
from ml_platform.recovery.degradation import Degradation, Degradations
from ml_platform.settings import Settings
from ml_platform.storage.io_managers import record_path
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform.training.content_roots import root_key, root_specs, roots_at, tags_of_reading
from ml_platform.training.model_asset import model_asset
from ml_platform.training.records import Inputs
from ml_platform.training.sensors import current_roots, month_is_due, months_to_train, roots_sensor
from ml_platform.training.training_set import resolve_inputs
from ml_platform_tests.training.scenario import toy_model, toy_use_case

MODEL, FEATURES = dg.AssetKey(["toy", "delay_model"]), dg.AssetKey(["toy", "features_as_of"])
TABLES = ["features", "labels"]


class World(NamedTuple):
    """Two tables of as many days, and the two last as-of months, between which there are some of them."""

    settings: Settings
    instance: dg.DagsterInstance
    use_case: UseCase
    days: Sequence[str]
    cursor: list[str | None]

    @property
    def location(self) -> StorageLocation:
        return StorageLocation(self.settings)

    @property
    def months(self) -> tuple[str, str]:
        earlier, later = self.use_case.by_as_of_month.get_partition_keys()[-2:]
        return earlier, later

    def publish(self, table: str, days: Sequence[str], content: int) -> None:
        frame = pl.DataFrame({"day": list(days), "content": content})
        self.location.tables().publish(f"toy/{table}", frame, days, key="day")

    def observe(self) -> int:
        """One tick of the sensor; how many roots it reported."""
        resources = {"tables": storage_resources(self.settings)["tables"]}
        with dg.build_sensor_context(self.instance, self.cursor[-1], resources=resources) as context:
            result = roots_sensor(self.use_case, [toy_model()]).evaluate_tick(context)
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        self.cursor.append(result.cursor)
        return len(result.asset_events)

    def train(self, *months: str) -> None:
        resources = storage_resources(self.settings)
        for month in months:
            done = dg.materialize(
                [stand_in(self), *root_specs(self.use_case, TABLES)],
                partition_key=month,
                selection=[MODEL],
                instance=self.instance,
                resources=resources,
            )
            assert done.success

    def staleness(self) -> CachingStaleStatusResolver:
        definitions = dg.Definitions(
            assets=[stand_in(self), *root_specs(self.use_case, TABLES)], resources=storage_resources(self.settings)
        )
        graph = definitions.resolve_asset_graph()
        return CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))

    def status(self) -> dict[str, StaleStatus]:
        resolver = self.staleness()
        return {month: resolver.get_status(MODEL, month) for month in self.months}

    def causes(self, month: str) -> set[dg.AssetKey]:
        return {cause.key.asset_key for cause in self.staleness().get_stale_root_causes(MODEL, month)}


def stand_in(world: World) -> dg.AssetsDefinition:
    @dg.asset(
        key=MODEL,
        deps=[root_key(world.use_case, table) for table in TABLES],
        partitions_def=world.use_case.by_as_of_month,
        required_resource_keys={"tables"},
        io_manager_key="records",
    )
    def model(context: dg.AssetExecutionContext) -> dg.Output[str]:
        as_of = dt.date.fromisoformat(context.partition_key)
        inputs = resolve_inputs(world.location.pins(context.run), "toy", toy_model(), as_of)
        tags = tags_of_reading(context.op_execution_context, world.use_case, toy_model(), inputs)
        return dg.Output(inputs.model_dump_json(), tags=tags)

    return model


def world_of(days: int, folder: Path, instance: dg.DagsterInstance) -> World:
    first = dt.date(2008, 1, 1)
    keys = [str(first + dt.timedelta(days=number)) for number in range(days)]
    last = first + dt.timedelta(days=days)
    this_month = last.replace(day=1)
    use_case = toy_use_case().model_copy(
        update={
            "first_day": first,
            "last_day": last,
            "first_as_of_month": (this_month - dt.timedelta(days=1)).replace(day=1),
        }
    )
    world = World(Settings(home=folder), instance, use_case, keys, [None])
    for table in TABLES:
        world.publish(table, keys, 0)
    return world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield world_of(99, tmp_path, instance)


@pytest.mark.parametrize("days", [99, 100, 365, 2000])
def test_a_month_is_stale_when_a_day_before_it_changed_and_not_otherwise(days: int, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        world = world_of(days, tmp_path, instance)
        earlier, later = world.months
        world.observe()
        world.train(earlier, later)
        assert world.status() == {earlier: StaleStatus.FRESH, later: StaleStatus.FRESH}
        world.publish("features", [earlier], 1)  # the earlier as-of day itself: only the later month learns from it
        assert world.observe() == 1
        assert world.status() == {earlier: StaleStatus.FRESH, later: StaleStatus.STALE}
        assert world.causes(later) == {FEATURES}
        world.publish("features", [earlier], 0)
        world.observe()
        assert world.status() == {earlier: StaleStatus.FRESH, later: StaleStatus.FRESH}


def test_nothing_is_observed_where_nothing_changed(world: World) -> None:
    assert world.observe() == 4
    world.publish("features", world.days[:3], 0)
    assert world.observe() == 0


def test_a_commit_whose_observation_was_lost_is_observed_at_the_next_tick(world: World) -> None:
    world.observe()
    world.train(*world.months)
    world.publish("labels", world.days[:1], 1)
    world.observe()
    world.cursor.pop()  # killed before the cursor was kept
    assert world.observe() == 2
    assert set(world.status().values()) == {StaleStatus.STALE}


def test_a_model_trained_before_its_data_were_observed_is_fresh(world: World) -> None:
    world.observe()
    world.publish("features", world.days[:1], 1)
    world.train(*world.months)
    world.observe()
    assert set(world.status().values()) == {StaleStatus.FRESH}


def test_a_model_whose_data_changed_while_it_was_trained_is_stale(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.observe()
    before = roots_at(world.location.tables(), "toy/features", [world.months[1]])
    original = resolve_inputs

    def then_changed(*given: object) -> Inputs:
        inputs = original(*given)  # type: ignore[arg-type]
        world.publish("features", world.days[:1], 1)
        world.observe()
        return inputs

    monkeypatch.setitem(globals(), "resolve_inputs", then_changed)
    world.train(world.months[1])
    assert roots_at(world.location.tables(), "toy/features", [world.months[1]]) != before
    assert world.status()[world.months[1]] is StaleStatus.STALE


def test_a_day_that_became_degraded_makes_the_months_after_it_stale(world: World) -> None:
    world.observe()
    world.train(*world.months)
    mark = Degradation(
        table="toy/labels",
        partition=world.days[0],
        rung="cached",
        reason="Toy.",
        since=dt.datetime(2013, 1, 1, tzinfo=dt.UTC),
        run_id="",
    )
    Degradations(world.location.artifacts()).mark([mark])
    world.observe()
    assert set(world.status().values()) == {StaleStatus.STALE}
    world.train(*world.months)
    assert set(world.status().values()) == {StaleStatus.FRESH}


def test_the_real_model_depends_on_the_roots_of_its_own_month(world: World) -> None:
    model = model_asset(world.use_case, toy_model())
    assert {root_key(world.use_case, table) for table in TABLES} <= model.asset_deps[MODEL]


def test_a_month_is_trained_once_the_day_before_it_is_there(world: World) -> None:
    last_day = dt.date.fromisoformat(world.days[-1]) + dt.timedelta(days=30)
    longer = world._replace(use_case=world.use_case.model_copy(update={"last_day": last_day}))
    complete, early = longer.months
    wanted = to_train(longer)
    assert set(wanted.contents) == {*world.months}
    assert complete in wanted.contents
    assert wanted.waits == [f"{early} wait for 2008-04-30, the last day to learn from."]


def test_a_month_whose_model_learnt_from_what_is_published_is_settled(world: World) -> None:
    month = world.months[0]
    learn(world, month)
    assert to_train(world).settled == {month}
    world.publish("labels", world.days[:1], 1)
    assert to_train(world).settled == set()


def test_by_the_clock_a_month_is_trained_on_what_is_there_unless_its_model_learnt_just_that(world: World) -> None:
    month, due = world.months[0], month_is_due(world.use_case, toy_model())
    with dg.build_schedule_context(resources={"tables": storage_resources(world.settings)["tables"]}) as context:
        assert due(context, month) == ""
        learn(world, month)
        assert due(context, month) == f"The model of {month} has learnt from all that is published before it."
        assert due(context, "2007-12-01") == "Nothing is published before 2007-12-01. There is nothing to learn from."
        world.publish("labels", world.days[:1], 1)
        assert due(context, month) == ""


def learn(world: World, month: str) -> None:
    """Record a model of the month that learnt from what is published."""
    run = dg.DagsterRun("toy")
    inputs = resolve_inputs(world.location.pins(run), "toy", toy_model(), dt.date.fromisoformat(month))
    record = json.dumps({"inputs": inputs.model_dump(mode="json")}).encode()
    world.location.artifacts().write(record_path("toy/delay_model", month), record)


def to_train(world: World) -> Wanted:
    now = current_roots(world.location, world.use_case, [toy_model()])
    return months_to_train(world.location, world.use_case, toy_model(), now, {})
