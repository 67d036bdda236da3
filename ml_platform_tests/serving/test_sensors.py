"""What calls for a promotion, for predictions and for their measurement."""

import dagster as dg

from ml_platform_tests.components.ticking import Sensors
from ml_platform_tests.serving.scenario import World, definitions

OCTOBER, DAYS = "2013-10-01", ["2013-10-01", "2013-10-02", "2013-10-04"]
PROMOTE, PREDICT = "promote_flights_delay_champion", "predict_flights_delay_predictions"
WATCHED = ["delay_drift", "delay_alarms"]
MEASURE = "measure_flights_delay_quality_on_new_labels"


def sensors_of(world: World, *, requires_approval: bool = False) -> Sensors:
    return Sensors(definitions(world.settings, requires_approval=requires_approval), world.instance)


def registered(world: World, month: str) -> None:
    """A version, and the record that its training leaves."""
    version = world.register(month)
    path = f"records/flights/delay_model_version/{month}.json"
    world.location.artifacts().write(path, f'{{"version": {version.version}}}'.encode())


def test_a_new_version_is_promoted_once(world: World) -> None:
    registered(world, OCTOBER)
    sensors = sensors_of(world)
    assert sensors.tick(f"{PROMOTE}_on_new_version", job=PROMOTE).ranges == [OCTOBER]
    assert sensors.tick(f"{PROMOTE}_on_new_version", job=PROMOTE).requests == []
    world.run("delay_champion", OCTOBER)
    assert sensors_of(world).tick(f"{PROMOTE}_on_new_version").requests == []


def test_a_version_that_waited_is_looked_at_again_when_a_person_has_decided(world: World) -> None:
    registered(world, OCTOBER)
    sensors = sensors_of(world, requires_approval=True)
    sensors.tick(f"{PROMOTE}_on_new_version", job=PROMOTE)
    world.run("delay_champion", OCTOBER, requires_approval=True)
    assert sensors.tick(f"{PROMOTE}_on_new_version", job=PROMOTE).requests == []
    world.tracking.registry.set_approval("flights_delay", 1, is_approved=True, by="ada", reason="Looked at it.")
    assert sensors.tick(f"{PROMOTE}_on_new_version", job=PROMOTE).ranges == [OCTOBER]


def test_days_with_features_are_predicted_when_there_is_a_champion_and_measured_when_predicted(world: World) -> None:
    world.land(DAYS)
    sensors = sensors_of(world)
    assert sensors.tick(f"{PREDICT}_on_new_features").told == "flights_delay has no champion to predict with."
    world.promote(OCTOBER)
    asked = sensors.tick(f"{PREDICT}_on_new_features", job=PREDICT)
    assert (asked.ranges, asked.assets) == (["2013-10-01 to 2013-10-02"], ["delay_predictions", *WATCHED])
    assert sensors.tick(MEASURE).told.startswith("Table flights/delay_predictions was never published")
    world.run("delay_predictions", *DAYS[:2])
    assert sensors.tick(f"{PREDICT}_on_new_features", job=PREDICT).ranges == [DAYS[2]]
    measured = sensors.tick(MEASURE, job=PREDICT)
    assert (measured.ranges, measured.assets) == (["2013-10-01 to 2013-10-02"], ["delay_quality", *WATCHED])


def test_another_champion_has_its_days_predicted_again(world: World) -> None:
    world.land(DAYS[:2])
    world.promote(OCTOBER)
    sensors = sensors_of(world)
    sensors.tick(f"{PREDICT}_on_new_features", job=PREDICT)
    assert sensors.tick(f"{PREDICT}_on_new_features", job=PREDICT).requests == []
    world.register(OCTOBER, inverted=True)
    world.run("delay_champion", OCTOBER)
    assert sensors.tick(f"{PREDICT}_on_new_features").ranges == ["2013-10-01 to 2013-10-02"]


def test_days_wait_for_the_runs_that_build_them_and_others_do_not(world: World) -> None:
    world.land(DAYS[:2])
    world.promote(OCTOBER)
    building = dg.DagsterRun("build_flights_days", tags={"dagster/partition": "2013-10-02"})
    world.instance.add_run(building.with_status(dg.DagsterRunStatus.STARTED))
    sensors = sensors_of(world)
    assert sensors.tick(f"{PREDICT}_on_new_features", job=PREDICT).ranges == ["2013-10-01"]
    assert "Being built: 2013-10-02." in sensors.tick(f"{PREDICT}_on_new_features").told


def test_what_follows_from_tables_that_changed_holds_up_every_day(world: World) -> None:
    world.land(DAYS[:2])
    world.promote(OCTOBER)
    tags = {"dagster/sensor_name": "build_flights_tables_on_changed_inputs"}
    world.instance.add_run(dg.DagsterRun("__ASSET_JOB", tags=tags, status=dg.DagsterRunStatus.STARTED))
    assert sensors_of(world).tick(f"{PREDICT}_on_new_features").requests == []
