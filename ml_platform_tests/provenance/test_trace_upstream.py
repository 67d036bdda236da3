from pathlib import Path

import dagster as dg
import pytest

from ml_platform.errors import RowNotFoundError, UnknownAssetError
from ml_platform.provenance.trace import Step, Trace
from ml_platform_tests.provenance.scenario import DAYS, FEBRUARY, TABLES, World

SECOND = "2013-02-02"


def named(trace: Trace, name: str) -> list[Step]:
    return [step for step in trace.steps if step.name == name]


def shown(step: Step) -> str:
    return f"{step.name} {step.partitions}"


def of_day(trace: Trace, name: str, day: str = SECOND) -> Step:
    return next(step for step in named(trace, name) if str(step.partitions) == day)


def test_a_prediction_leads_to_its_model_its_features_and_the_days_that_these_looked_back_to(built: World) -> None:
    trace = built.ask("toy/predictions", SECOND)
    before = {role: shown(step) for step, role in trace.next_of(trace.start)}
    assert before == {"predicted by": f"toy/delay_champion {FEBRUARY}", "made from": f"toy/features {SECOND}"}
    features = of_day(trace, "toy/features")
    assert {(shown(step), role) for step, role in trace.next_of(features.id)} == {
        (f"toy/clean {SECOND}", "made from"),
        ("toy/clean 2 partitions, 2013-01-31 to 2013-02-01", "looked back to"),
    }


def test_a_model_leads_to_the_days_of_its_snapshot_as_one_range(built: World) -> None:
    trace = built.ask("toy/delay_model", FEBRUARY)
    before = [(shown(step), role) for step, role in trace.next_of(trace.start)]
    january = "4 partitions, 2013-01-28 to 2013-01-31"
    assert before == [(f"toy/features {january}", "trained on"), (f"toy/labels {january}", "trained on")]


def test_a_registered_version_is_asked_for_by_the_name_of_its_model(built: World) -> None:
    trace = built.ask("toy_delay", "1")
    start = trace.step(trace.start)
    assert (start.name, start.facts["gate"], start.facts["version"]) == ("toy/delay_model_version", "approved", 1)
    assert [step.name for step, _ in trace.next_of(start.id)] == ["toy/delay_model"]


def test_every_way_ends_at_landing_objects_with_their_hashes(built: World) -> None:
    trace = built.ask("toy/predictions", SECOND)
    ends = [step for step in trace.steps if not trace.next_of(step.id)]
    assert {step.kind for step in ends} == {"landing"}
    assert sorted(one.path for step in ends for one in step.objects if step.partitions.count == 1) == [
        f"toy/{SECOND}.csv"
    ]
    assert {len(one.sha256) for step in ends for one in step.objects} == {64}


def test_a_step_has_its_run_its_content_its_code_and_its_checks(built: World) -> None:
    trace = built.ask("toy/clean", SECOND)
    clean, raw = of_day(trace, "toy/clean"), of_day(trace, "toy/raw")
    content = built.location.tables().partitions("toy/clean")[SECOND].content_hash
    assert clean.run is not None
    assert (clean.content, clean.run.status, raw.code_version) == (content, "SUCCESS", "raw-1")
    assert [(check.name, check.passed, check.counts) for check in clean.checks] == [
        ("values_are_positive", True, {"rows_in": 2 * len(DAYS)})
    ]


def test_a_row_is_followed_through_every_table_that_has_its_key(built: World) -> None:
    trace = built.ask("toy/predictions", SECOND, row={"sensor": "b"})
    rows = {step.name: step.facts["row"] for step in trace.steps if "row" in step.facts}
    assert rows["toy/predictions"]["probability"] == 0.6
    assert (rows["toy/features"]["total"], rows["toy/clean"]["value"], rows["toy/raw"]["value"]) == (60, 10, 10)


def test_no_value_of_a_personal_column_is_shown(built: World) -> None:
    trace = built.ask("toy/clean", SECOND, row={"sensor": "a"})
    assert of_day(trace, "toy/clean").facts["row"]["keeper"] == "(personal)"
    assert "Ada" not in trace.model_dump_json()


@pytest.mark.parametrize(
    ("row", "said"),
    [({"day": SECOND}, "2 rows have"), ({"sensor": "c"}, "0 rows have"), ({"speed": "1"}, "no column speed")],
)
def test_a_row_that_is_not_exactly_one_is_refused(built: World, row: dict[str, str], said: str) -> None:
    with pytest.raises(RowNotFoundError, match=said):
        built.ask("toy/predictions", SECOND, row=row)


@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        ("toy/claen", SECOND, "toy/clean"),
        ("toy/clean", "2014-01-01", "Nothing of toy/clean is there"),
        ("toy_delay", "7", "There is no asset"),
        ("landing", None, "Which landing object"),
        ("landing", "toy/monday.csv", "No table ingests"),
    ],
)
def test_a_question_that_cannot_be_answered_says_what_can(built: World, name: str, key: str | None, said: str) -> None:
    with pytest.raises(UnknownAssetError, match=said):
        built.ask(name, key)


def test_what_was_used_is_told_by_its_version_and_not_by_what_stands_now(world: World) -> None:
    before = world.ask("toy/delay_model", FEBRUARY)
    world.land("2013-01-30", value=7)
    world.run(*TABLES, days=["2013-01-30"])
    after = world.ask("toy/delay_model", FEBRUARY)
    assert [(step.id, step.content) for step in after.steps] == [(step.id, step.content) for step in before.steps]
    changed = {step.name: step.changed_since for step in after.steps if step.changed_since}
    assert set(changed) == {"toy/{day}.csv", "toy/raw", "toy/clean", "toy/features", "toy/labels"}
    assert set(changed.values()) == {("2013-01-30",)}


def test_content_that_came_from_several_commits_is_told_by_commit_and_many_as_one(world: World) -> None:
    for value, day in enumerate(DAYS[:4], start=2):
        world.land(day, value)
        world.run(*TABLES, days=[day])
    world.run("delay_model", days=[FEBRUARY])
    features = named(world.ask("toy/delay_model", FEBRUARY), "toy/features")
    assert [(str(step.partitions), step.facts["commits"]) for step in features] == [
        ("4 partitions, 2013-01-28 to 2013-01-31", 4)
    ]
    world.run("features", days=["2013-02-01"])
    three = named(world.ask("toy/features", "2013-02-01"), "toy/clean")
    assert sorted((str(step.partitions), step.version) for step in three) == [
        ("2013-01-30", 3),
        ("2013-01-31", 4),
        ("2013-02-01", 0),
    ]


def test_a_deleted_run_is_said_and_its_pins_take_its_place(world: World) -> None:
    run = world.ask("toy/features", SECOND).run_ids[0]
    world.instance.delete_run(run)
    trace = world.ask("toy/features", SECOND)
    features = of_day(trace, "toy/features")
    assert features.run is None
    assert "the run was deleted" in features.missing[0]
    assert "pinned" in features.missing[1]
    assert [step.name for step, _ in trace.next_of(features.id)] == ["toy/clean", "toy/clean"]


def test_lost_data_files_are_said_where_a_row_is_asked_for(world: World) -> None:
    folder = Path(world.location.tables().uri_of("toy/clean"))
    for file in folder.rglob("*.parquet"):
        file.unlink()
    trace = world.ask("toy/predictions", SECOND, row={"sensor": "a"})
    assert "data files of version 0 are gone" in str(of_day(trace, "toy/clean").facts["row"])
    assert of_day(trace, "toy/raw").facts["row"]


def test_a_degraded_result_says_why(world: World) -> None:
    tagged = world.instance.fetch_materializations(dg.AssetKey(["toy", "clean"]), limit=1).records[0]
    assert tagged.asset_materialization is not None
    world.report("clean", SECOND, run_id=tagged.run_id, tags={"ml_platform/degraded": "last_good"})
    assert of_day(world.ask("toy/clean", SECOND), "toy/clean").degraded == "last_good"


def test_model_bytes_that_are_not_the_recorded_ones_are_told(world: World) -> None:
    fingerprint = str(world.ask("toy/delay_model", FEBRUARY).steps[0].facts["fingerprint"])
    assert world.ask("toy/delay_model", FEBRUARY).steps[0].facts["bytes_now"] == "unchanged"
    world.location.artifacts().write(f"models/toy/{fingerprint}", b"other")
    assert world.ask("toy/delay_model", FEBRUARY).steps[0].facts["bytes_now"] == "changed"


def test_predictions_of_a_model_that_was_replaced_lead_to_that_model(world: World) -> None:
    before = named(world.ask("toy/predictions", SECOND), "toy/delay_model")[0]
    world.land("2013-01-30", value=7)
    world.run(*TABLES, days=["2013-01-30"])
    world.run("delay_model", "delay_model_version", "delay_champion", days=[FEBRUARY])
    trace = world.ask("toy/predictions", SECOND)
    assert named(trace, "toy/delay_model")[0].facts == before.facts
    assert "another champion now" in str(named(trace, "toy/delay_champion")[0].facts["now"])


def test_a_version_has_who_decided_what_about_it_and_a_broken_log_is_said(world: World) -> None:
    model = world.ask("toy_delay", "1").steps[1]
    world.decide(str(model.facts["fingerprint"]), "registered", "promoted")
    version = world.ask("toy/predictions", SECOND)
    told = named(version, "toy/delay_model_version")[0].facts["decisions"]
    assert [(each["action"], each["by"]) for each in told] == [("registered", "run 1"), ("promoted", "Ada")]
    log = next(one.path for one in world.location.artifacts().list("registry") if "00000001" in one.path)
    world.location.artifacts().write(log, b"{}")
    assert "toy_delay" in named(world.ask("toy/predictions", SECOND), "toy/delay_model_version")[0].missing[0]
