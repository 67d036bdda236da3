"""Behaviour of Dagster's automation that `components.changes` leans on; one that fails says what to look at after an
upgrade.
"""

from collections.abc import Iterator, Sequence

import dagster as dg
import pytest

BY_DAY = dg.DailyPartitionsDefinition("2013-03-08", end_date="2013-03-18", timezone="America/New_York")
DAYS = BY_DAY.get_partition_keys()
LOOK_BACK = 2
AUTOMATION = dg.AutomationCondition
HANDLED = AUTOMATION.newly_requested() | AUTOMATION.newly_updated() | AUTOMATION.execution_failed().newly_true()
CHANGED = AUTOMATION.any_deps_match(AUTOMATION.data_version_changed()).since(HANDLED)
CONDITION = CHANGED & ~AUTOMATION.any_deps_in_progress() & ~AUTOMATION.in_progress()
EARLIER = dg.TimeWindowPartitionMapping(start_offset=-LOOK_BACK, allow_nonexistent_upstream_partitions=True)


class Toy:
    """raw -> clean -> features, which look back two days, evaluated tick by tick on an instance."""

    def __init__(self, instance: dg.DagsterInstance, condition: dg.AutomationCondition = CONDITION) -> None:
        """The first evaluation was made, over days that are all there."""
        self.instance, self.cursor = instance, None
        self.bad_days: set[str] = set()
        self.at_work: list[dict[str, list[str]]] = []
        one_run = dg.BackfillPolicy.single_run()

        @dg.asset(partitions_def=BY_DAY, backfill_policy=one_run)
        def raw() -> None: ...

        @dg.asset(partitions_def=BY_DAY, backfill_policy=one_run, deps=[raw], automation_condition=condition)
        def clean(context: dg.AssetExecutionContext) -> None:
            self.at_work.append(self.tick())  # raw is made, clean and features are not
            assert not self.bad_days & {*context.partition_keys}

        deps = [dg.AssetDep(clean, partition_mapping=EARLIER)]

        @dg.asset(partitions_def=BY_DAY, backfill_policy=one_run, deps=deps, automation_condition=condition)
        def features() -> None: ...

        self.assets = [raw, clean, features]
        for table in ("raw", "clean", "features"):
            self.publish(table, DAYS, "as it was")
        assert self.tick() == {}

    def publish(self, table: str, days: Sequence[str], content: str) -> None:
        """Tell of days of a table that were published with this content, outside of any run."""
        for day in days:
            tags = {"dagster/data_version": content}
            self.instance.report_runless_asset_event(dg.AssetMaterialization(table, partition=day, tags=tags))

    def run(self, day: str, *tables: str) -> None:
        """A run that makes these tables, whether it succeeds or not."""
        dg.materialize(
            self.assets, selection=list(tables), partition_key=day, instance=self.instance, raise_on_error=False
        )

    def tick(self) -> dict[str, list[str]]:
        """What one evaluation asks for, by table."""
        result = dg.evaluate_automation_conditions(self.assets, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        asked = {name: result.get_requested_partitions(dg.AssetKey(name)) for name in ("clean", "features")}
        return {name: sorted(str(day) for day in days) for name, days in asked.items() if days}


@pytest.fixture
def toy() -> Iterator[Toy]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Toy(instance)


def test_a_day_with_other_content_asks_for_that_day_downstream_once(toy: Toy) -> None:
    toy.publish("raw", [DAYS[4]], "corrected")
    assert [toy.tick(), toy.tick()] == [{"clean": [DAYS[4]]}, {}]


def test_through_a_look_back_a_changed_day_asks_for_the_days_that_look_back_on_it(toy: Toy) -> None:
    toy.publish("clean", [DAYS[4]], "corrected")
    assert toy.tick() == {"features": DAYS[4:7]}
    toy.publish("clean", [DAYS[-1]], "corrected")
    assert toy.tick() == {"features": DAYS[-1:]}


def test_days_made_again_with_the_same_content_ask_for_nothing(toy: Toy) -> None:
    toy.publish("raw", DAYS, "as it was")
    toy.publish("clean", DAYS, "as it was")
    assert toy.tick() == {}


def test_eager_would_ask_for_what_follows_from_unchanged_content() -> None:
    latest_only = AUTOMATION.in_latest_time_window()
    with dg.DagsterInstance.ephemeral() as instance:
        toy = Toy(instance, AUTOMATION.eager().without(latest_only))
        toy.publish("raw", [DAYS[4]], "as it was")
        assert toy.tick()["clean"] == [DAYS[4]]


def test_a_run_that_makes_a_day_with_all_that_follows_from_it_leaves_only_the_days_that_look_back(toy: Toy) -> None:
    toy.run(DAYS[4], "raw", "clean", "features")
    assert toy.at_work == [{}]
    assert [toy.tick(), toy.tick()] == [{"features": DAYS[5:7]}, {}]


def test_what_changes_while_the_sensor_is_off_is_asked_for_when_it_is_on_again(toy: Toy) -> None:
    toy.publish("raw", [DAYS[1]], "corrected")
    toy.publish("raw", [DAYS[2]], "corrected")
    toy.publish("raw", [DAYS[2]], "as it was")
    assert toy.tick() == {"clean": [DAYS[1]]}


def test_a_day_that_fails_is_not_asked_for_again_before_its_input_changes(toy: Toy) -> None:
    toy.bad_days = {DAYS[4]}
    toy.publish("raw", [DAYS[4]], "bad")
    assert toy.tick() == {"clean": [DAYS[4]]}
    toy.run(DAYS[4], "clean")
    assert [toy.tick(), toy.tick()] == [{}, {}]
    toy.publish("raw", [DAYS[4]], "corrected")
    assert toy.tick() == {"clean": [DAYS[4]]}


def test_a_run_that_made_an_input_and_then_failed_is_not_repeated(toy: Toy) -> None:
    toy.bad_days = {DAYS[4]}
    toy.run(DAYS[4], "raw", "clean")
    assert [*toy.at_work, toy.tick(), toy.tick()] == [{}, {}, {}]
