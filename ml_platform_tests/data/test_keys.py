"""Tables by key, from objects in the landing zone to features: real files, real tables, real runs."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_platform.data.keys import Keys
from ml_platform.errors import DefinitionError, LandingError, UnknownAssetError
from ml_platform.operations.table_health import Published, late, missing, table_health
from ml_platform.provenance.catalog import Table
from ml_platform.settings import Settings
from ml_platform_tests.data import parks
from ml_platform_tests.data.parks import TABLES, World, park_object
from ml_platform_tests.data.test_pipeline import error_of
from ml_platform_tests.execution.instances import platform_instance

NOTHING = "Nothing has changed since the last request."


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with platform_instance(tmp_path / "dagster") as instance:
        yield World(Settings(home=tmp_path), instance)


def test_without_a_key_everything_loads_and_nothing_is_asked_for(world: World) -> None:
    assert world.keys == []
    assert world.run().told == NOTHING


def test_a_new_object_becomes_a_key_with_all_that_follows_from_it(world: World) -> None:
    world.land("North")
    assert world.run(raise_on_error=True).ranges == ["North"]
    assert world.keys == ["North"]
    assert {table: world.rows(table, "North").height for table in TABLES} == {
        "raw": 6,
        "clean": 6,
        "quarantine": 0,
        "occupied": 2,
        "features": 6,
    }
    assert world.rows("features", "North")["share_before"].to_list() == [None, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert world.run().told == NOTHING


def test_many_new_keys_are_one_run_and_one_commit(world: World) -> None:
    for number in range(60):
        world.land(f"Park {number:02}")
    assert world.run(raise_on_error=True).ranges == ["Park 00 to Park 59"]
    assert len(world.published("features")) == 60
    assert world.tables.version("parks/features") == 0


def test_a_changed_key_is_built_again_and_no_other(world: World) -> None:
    for park in ("A", "B", "C"):
        world.land(park)
    world.run()
    world.land("B", park_object("B", [70, 80]))
    assert world.run(raise_on_error=True).ranges == ["B"]
    assert [world.rows("clean", park).height for park in ("A", "B", "C")] == [6, 2, 6]


def test_keys_that_come_later_go_behind_those_that_are_there(world: World) -> None:
    world.land("M")
    world.run()
    for park in ("Z", "A"):
        world.land(park)
    assert world.run(raise_on_error=True).ranges == ["A to Z"]
    assert world.keys == ["M", "A", "Z"]


def test_a_bad_key_holds_up_no_other(world: World) -> None:
    for park in ("A", "B", "C", "D"):
        world.land(park)
    world.land("C", b"")
    told = [world.run().told for _ in range(6)][-1]
    assert world.published("features") == ["A", "B", "D"]
    assert told == "1 failed and are not asked for again before they change: C."
    world.land("C")
    world.run()
    assert world.published("features") == ["A", "B", "C", "D"]


def test_rows_of_another_key_are_refused(world: World) -> None:
    world.land("A", park_object("B"))
    world.instance.add_dynamic_partitions("parks_car_parks", ["A"])
    result = world.build("A")
    told = error_of(result, "parks__raw")
    assert "A.csv holds 6 of 6 rows of another key. Expected only A in park; got 6 of B." in told


def test_rows_without_a_key_column_are_of_the_key_of_their_object(tmp_path: Path) -> None:
    with platform_instance(tmp_path / "dagster") as instance:
        world = World(Settings(home=tmp_path), instance, parks.pipeline(key_column=None))
        world.land("A")
        world.run(raise_on_error=True)
        assert world.rows("raw", "A")["landing_key"].unique().to_list() == ["A"]


def test_repeated_rows_and_those_over_the_limit_are_quarantined(world: World) -> None:
    world.land("A", park_object("A", [10, 20, 30, 40, 50, 130], repeated=1))
    world.run(raise_on_error=True)
    assert world.rows("clean", "A").height == 4
    broken = world.rows("quarantine", "A")["broken_rules"].to_list()
    assert sorted(broken) == ["no_more_cars_than_places", "primary_key", "primary_key"]


def test_too_many_bad_rows_of_a_key_name_its_object(world: World) -> None:
    world.land("A", park_object("A", [130, 140, 10]))
    world.run()
    result = world.build("A")
    assert "Have the upstream land a corrected parking/A.csv" in error_of(result, "parks__clean")
    assert world.published("clean") == []


ODD = ("ümläut 駐車場 🅿", "a#b%c?d", 'it\'s "quoted"', "{key}", "x=1&y=2", " lead", "ALL", "2016-10-04")


def test_odd_keys_come_through(anywhere: Settings, tmp_path: Path) -> None:
    with platform_instance(tmp_path / "dagster") as instance:
        world = World(anywhere, instance)
        for key in ODD:
            world.land(key)
        while (ticked := world.run(raise_on_error=True)).requests:
            assert "failed" not in ticked.told
        assert world.published("features") == sorted(ODD)
        assert {world.rows("clean", key)["car_park"].unique().item() for key in ODD} == set(ODD)


def test_what_cannot_be_a_key_is_told_and_holds_up_no_other(world: World) -> None:
    for key in ("good", "all", "two\nlines", "a...b"):
        world.land(key)
    folder = os.fsencode(world.settings.home) + b"/landing/parking/"
    os.link(folder + b"good.csv", folder + b"\xff.csv")
    ticked = world.run()
    assert world.keys == ["good"]
    assert ticked.ranges == ["good"]
    assert "4 have no name of a key" in world.run().told


def test_a_key_whose_object_left_is_told_and_stays(world: World) -> None:
    world.land("A")
    world.run()
    world.landing.delete("parking/A.csv")
    told = world.run().told
    assert "1 left the landing zone: parking/A.csv. What was ingested of them stands." in told
    assert "`ml-platform keys remove parks KEY`" in told
    assert (world.keys, world.published("features")) == (["A"], ["A"])


def test_what_was_ingested_before_the_history_began_is_a_key_without_a_run(world: World) -> None:
    world.land("A")
    world.run()
    with platform_instance(world.settings.home / "another") as another:
        later = World(world.settings, another)
        assert (later.run().told, later.keys) == (NOTHING, ["A"])


def test_a_run_over_unchanged_keys_computes_nothing(world: World) -> None:
    for park in ("A", "B"):
        world.land(park)
    world.run()
    before = {table: world.tables.version(f"parks/{table}") for table in TABLES}
    assert world.build("A", "B").success
    assert {table: world.tables.version(f"parks/{table}") for table in TABLES} == before


def test_keys_built_one_by_one_equal_keys_built_in_one_run(tmp_path: Path) -> None:
    hashes = []
    for name, together in (("one", False), ("many", True)):
        with platform_instance(tmp_path / name / "dagster") as instance:
            world = World(Settings(home=tmp_path / name), instance)
            for park in ("A", "B", "C"):
                world.land(park)
                if not together:
                    world.run()
            world.run()
            hashes.append({table: world.tables.published(f"parks/{table}") for table in TABLES})
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"partition_column": None}, "'clean' is by key, as the rows that it is made from: name the partition_column"),
        ({"partition_column": "read_at"}, "its partition_column 'read_at' has to be a String, not a Datetime"),
    ],
)
def test_a_table_by_key_has_a_column_of_texts_that_holds_the_key(change: dict[str, object], told: str) -> None:
    declared = parks.pipeline()
    cleaned = [declared.cleaned[0].model_copy(update=change)]
    alone = declared.model_copy(update={"cleaned": cleaned, "derived": [], "features": []})
    with pytest.raises(DefinitionError, match=told):
        parks.build_pipeline(alone, parks.use_case())


def test_features_by_key_do_not_look_back_on_days() -> None:
    declared = parks.pipeline()
    features = declared.features[0]
    inputs = [features.inputs[0].model_copy(update={"look_back_days": 3})]
    changed = declared.model_copy(update={"features": [features.model_copy(update={"inputs": inputs})]})
    with pytest.raises(DefinitionError, match="holds all the time of a key: leave out look_back_days"):
        parks.build_pipeline(changed, parks.use_case())


def test_a_use_case_with_keys_says_what_they_are() -> None:
    with pytest.raises(DefinitionError, match="Add `keys: <noun in the plural>`"):
        parks.build_pipeline(parks.pipeline(), parks.use_case(keys=None))


def keys_by_hand(world: World) -> Keys:
    return Keys(world.location, world.instance, parks.use_case(), parks.pipeline())


def test_keys_are_found_by_hand_without_a_run(world: World) -> None:
    for park in ("A", "B"):
        world.land(park)
    assert keys_by_hand(world).discover() == ["A", "B"]
    assert keys_by_hand(world).discover() == []
    assert world.build("A").success
    told = [(each.key, each.objects, each.is_partition, each.published) for each in keys_by_hand(world).states()]
    assert told == [("A", ("parking/A.csv",), True, ("raw",)), ("B", ("parking/B.csv",), True, ())]


def test_a_key_is_taken_away_once_its_object_is_gone_and_what_was_ingested_stands(world: World) -> None:
    world.land("A")
    world.run()
    with pytest.raises(LandingError, match=r"parking/A\.csv is still in the landing zone"):
        keys_by_hand(world).remove("A")
    world.landing.delete("parking/A.csv")
    keys_by_hand(world).remove("A")
    assert (world.keys, world.published("features"), world.run().told) == ([], ["A"], NOTHING)
    with pytest.raises(UnknownAssetError, match="'A' is none of the car_parks of parks"):
        keys_by_hand(world).remove("A")


def test_a_key_that_is_missing_or_was_not_looked_at_in_time_is_told(world: World) -> None:
    world.land("A")
    world.run()
    world.instance.add_dynamic_partitions("parks_car_parks", ["B"])
    raw = Table("parks/raw", "raw", "Toy.", parks.RawParks, (), "key", "defs.yaml", fresh_within_hours=2)
    found, now = Published(raw, world.tables.published("parks/raw")), dt.datetime.now(dt.UTC)
    use_case, later = parks.use_case(), now + dt.timedelta(hours=3)
    assert [each.partitions for each in missing(use_case, found, world.instance, now)] == [("B",)]
    assert [each.partitions for each in late(use_case, found, world.instance, now)] == []
    assert [each.partitions for each in late(use_case, found, world.instance, later)] == [("A",)]
    health = table_health(use_case, found, world.instance, now)
    assert (health.by, health.published, health.expected, health.newest) == ("key", 1, 2, None)
