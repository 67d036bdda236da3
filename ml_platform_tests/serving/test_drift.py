"""Drift and decay: what was injected is found and named, and what is known otherwise is left out."""

import datetime as dt

import pytest

from ml_platform.recovery.degradation import Degradation, Degradations
from ml_platform.serving.alarms import alarm_rows
from ml_platform.serving.drift_asset import champions_of
from ml_platform_tests.serving.scenario import World
from ml_platform_tests.serving.watched import REFERENCE, WATCHED, alarms, land, rows_of, watch, watched_world

KEPT = "training/flights/delay"


def kept_reference(world: World) -> tuple[str, bytes]:
    """Path and bytes of the reference that was kept."""
    artifacts = world.location.artifacts()
    (path,) = [info.path for info in artifacts.list(KEPT) if "/drift_" in info.path]
    return path, artifacts.read(path)


def failed_checks(world: World, first: str = WATCHED[0]) -> set[str]:
    return {each.check_name for each in watch(world, first).get_asset_check_evaluations() if not each.passed}


def test_days_like_those_of_training_raise_no_alarm(world: World) -> None:
    assert failed_checks(watched_world(world)) == set()
    drift = rows_of(world, "delay_drift")
    assert drift.group_by("column", "kind").len().sort("column").rows() == [
        ("hour", "feature", 20),
        ("probability", "prediction", 20),
        ("wind", "feature", 20),
    ]
    assert set(alarms(world, "alarm").values()) == {"none"}


def test_a_feature_that_goes_missing_is_found_within_days_and_named(world: World) -> None:
    assert failed_checks(watched_world(world, windless_from=WATCHED[5])) == {"features_are_as_in_training"}
    since = alarms(world, "drift_since")[WATCHED[-1]]
    assert WATCHED[5] < str(since) <= WATCHED[11]
    assert set(list(alarms(world, "most_drifted").values())[5:]) == {"wind"}
    gone = rows_of(world, "delay_drift").filter(column="wind", missing_share=1.0)
    assert (gone.height, gone["is_drifted"].all(), gone["training_missing_share"].max()) == (15, True, 0.0)


def test_predictions_that_become_wrong_are_decay_and_no_drift(world: World) -> None:
    assert failed_checks(watched_world(world, inverted_from=WATCHED[3])) == {"predictions_are_as_good_as_evaluated"}
    assert alarms(world, "alarm")[WATCHED[-1]] == "decay"
    assert WATCHED[3] < str(alarms(world, "decay_since")[WATCHED[-1]]) <= WATCHED[9]


def test_days_without_labels_add_nothing_to_the_evidence_of_decay(world: World) -> None:
    watch(watched_world(world, labelled=WATCHED[:5], inverted_from=WATCHED[3]))
    losses, evidence = alarms(world, "excess_loss"), alarms(world, "decay_evidence")
    assert [day for day, loss in losses.items() if loss is None] == WATCHED[5:]
    assert {evidence[day] for day in WATCHED[5:]} == {evidence[WATCHED[4]]}


def test_a_degraded_day_is_left_out_and_the_evidence_goes_on(world: World) -> None:
    watched_world(world)
    mark = Degradation(
        table="flights/delay_features",
        partition=WATCHED[2],
        rung="empty",
        reason="No weather.",
        since=dt.datetime(2013, 10, 3, tzinfo=dt.UTC),
        run_id="",
    )
    Degradations(world.location.artifacts()).mark([mark])
    assert failed_checks(world) == {"is_not_degraded"}
    assert WATCHED[2] not in {str(day) for day in rows_of(world, "delay_drift")["service_date"]}
    assert (alarms(world, "drift")[WATCHED[2]], alarms(world, "excess_loss")[WATCHED[2]]) == (None, None)
    assert alarms(world, "drift_evidence")[WATCHED[2]] == alarms(world, "drift_evidence")[WATCHED[1]]


def test_days_judged_one_by_one_are_judged_as_in_one_run(world: World) -> None:
    watched_world(world, windless_from=WATCHED[5])
    for day in WATCHED[:9]:
        watch(world, day, day)
    one_by_one = [rows_of(world, name) for name in ("delay_drift", "delay_alarms")]
    watch(world, WATCHED[0], WATCHED[8])
    assert rows_of(world, "delay_drift").equals(one_by_one[0])
    assert rows_of(world, "delay_alarms").equals(one_by_one[1])


def test_the_reference_is_made_once_and_the_same_whatever_came_later(world: World) -> None:
    watch(watched_world(world))
    path, first = kept_reference(world)
    world.location.artifacts().delete(path)
    land(world, [REFERENCE[-1], *WATCHED], windless_from=REFERENCE[-1])
    world.run("delay_drift", WATCHED[0])
    assert kept_reference(world) == (path, first)


@pytest.mark.parametrize("record", [b"{}", b""])
def test_a_version_whose_record_does_not_say_what_it_learnt_from_is_not_compared(world: World, record: bytes) -> None:
    artifacts = watched_world(world).location.artifacts()
    (path,) = [info.path for info in artifacts.list(KEPT) if info.path.endswith("result.json")]
    artifacts.write(path, record)
    watch(world)
    assert rows_of(world, "delay_drift").is_empty()
    assert set(alarms(world, "drift_evidence").values()) == {0.0}


def test_a_day_without_a_champion_has_a_row_and_no_evidence() -> None:
    days = [dt.date(2013, 10, 1)]
    assert champions_of([], days) == {}
    (row,) = alarm_rows(days, {}, {}, {}, day="service_date", history_days=62, needed=620)
    assert (row["alarm"], row["drift_evidence"], row["model_version"]) == ("none", 0.0, None)


def test_pictures_show_distances_and_evidence_by_day(world: World) -> None:
    judged = world.metadata(watch(watched_world(world)))
    measured = world.told("delay_drift", WATCHED[-1]).metadata
    assert judged["evidence_by_day"].startswith("![evidence by day](data:image/png;base64,iVBOR")
    assert str(measured["distances_by_day"].value).startswith("![distances by day](data:image/png;base64,iVBOR")
