"""Tables by key cut by day: real files, real tables, real runs."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from ml_platform.errors import DefinitionError
from ml_platform.settings import Settings
from ml_platform_tests.data import parks
from ml_platform_tests.data.parks import DAYS_JOB, DAYS_SENSOR, JOB, World, park_object
from ml_platform_tests.data.test_pipeline import error_of
from ml_platform_tests.execution.instances import platform_instance

TABLE, FIRST, SECOND, FOURTH = "features_by_day", "2016-10-04", "2016-10-05", "2016-10-07"
UNTIL_THE_SECOND_DAY, ALL_OF_THE_FIRST = 40, 32  # readings; the first is at 08:00
NOTHING = "Nothing has changed since the last request."


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with platform_instance(tmp_path / "dagster") as instance:
        yield World(Settings(home=tmp_path), instance, parks.pipeline_by_day())


def readings(park: str, number: int, share: int = 50) -> bytes:
    return park_object(park, [share] * number)


def rows_by_day(world: World) -> dict[str, int]:
    return {day: state.rows for day, state in world.tables.published(f"parks/{TABLE}").items()}


def test_a_day_has_the_rows_of_all_keys(world: World) -> None:
    world.land("A", readings("A", UNTIL_THE_SECOND_DAY))
    world.land("B")
    assert world.cut().ranges == [f"{FIRST} to {SECOND}"]
    assert rows_by_day(world) == {FIRST: ALL_OF_THE_FIRST + 6, SECOND: UNTIL_THE_SECOND_DAY - ALL_OF_THE_FIRST}
    assert set(world.rows(TABLE, FIRST)["car_park"]) == {"A", "B"}
    assert world.cut().told == NOTHING


def test_a_file_that_grows_changes_the_days_that_it_has_new_rows_of_and_no_other(world: World) -> None:
    world.land("A", readings("A", ALL_OF_THE_FIRST))
    world.cut()
    before = world.tables.published(f"parks/{TABLE}")
    world.land("A", readings("A", UNTIL_THE_SECOND_DAY))
    assert world.cut().ranges == [f"{FIRST} to {SECOND}"]
    after = world.tables.published(f"parks/{TABLE}")
    assert (after[FIRST], set(after) - set(before)) == (before[FIRST], {SECOND})


def test_a_new_key_that_is_dropped_is_in_its_days(world: World) -> None:
    world.land("A")
    world.cut()
    world.land("New", readings("New", UNTIL_THE_SECOND_DAY))
    assert world.cut().ranges == [f"{FIRST} to {SECOND}"]
    assert [set(world.rows(TABLE, day)["car_park"]) for day in (FIRST, SECOND)] == [{"A", "New"}, {"New"}]


def test_a_key_that_is_taken_away_leaves_its_days(world: World) -> None:
    for park in ("A", "B"):
        world.land(park)
    world.cut()
    world.instance.delete_dynamic_partition("parks_car_parks", "A")
    world.run(sensor=DAYS_SENSOR, job_name=DAYS_JOB, raise_on_error=True)
    assert set(world.rows(TABLE, FIRST)["car_park"]) == {"B"}


def test_a_day_without_a_row_is_empty_and_one_whose_rows_may_still_come_is_refused(world: World) -> None:
    first, later = readings("A", 6), readings("A", 6).replace(b"2016-10-04", b"2016-10-06").partition(b"\n")[2]
    world.land("A", first + later)
    assert world.cut().ranges == [f"{FIRST} to 2016-10-06"]
    assert rows_by_day(world) == {FIRST: 6, SECOND: 0, "2016-10-06": 6}
    told = error_of(world.build(FOURTH, job_name=DAYS_JOB), f"parks__{TABLE}")
    assert "parks/features_by_day: 1 of 1 days have not come, first 2016-10-07" in told
    assert "Expected days up to 2016-10-06" in told


def test_days_wait_until_keys_are_built(world: World) -> None:
    assert world.tick(DAYS_SENSOR).told == "Days wait until a key of these is published: parks/features."
    create_run_for_test(world.instance, JOB, status=dg.DagsterRunStatus.STARTED)
    assert world.tick(DAYS_SENSOR).told == "car_parks are being built; days are cut when they are."


def test_a_run_over_unchanged_days_computes_nothing(world: World) -> None:
    world.land("A")
    world.cut()
    result = world.build(FIRST, job_name=DAYS_JOB)
    (made,) = result.get_asset_materialization_events()
    assert made.materialization.metadata["partitions_reused"].value == 1
    assert world.tables.version(f"parks/{TABLE}") == 0


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"partition_column": "read_at"}, "has to be a Date of ParkFeatures, not a Datetime"),
        ({"partition_column": "nothing"}, "has to be a Date of ParkFeatures, not no column of that name"),
        ({"source": "raw"}, r"by_day\[0\].source: there is no cleaned, derived or feature table 'raw'"),
    ],
)
def test_a_table_by_day_is_cut_from_a_table_by_key_with_a_column_of_dates(
    changed: dict[str, object], told: str
) -> None:
    with pytest.raises(DefinitionError, match=told):
        parks.build_pipeline(parks.pipeline_by_day(**changed), parks.use_case())
