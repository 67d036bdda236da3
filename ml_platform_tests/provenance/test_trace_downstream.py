from ml_platform.provenance.trace import Step, Trace
from ml_platform_tests.provenance.scenario import FEBRUARY, TABLES, World

OBJECT = "toy/2013-01-30.csv"


def reached(trace: Trace) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for step in trace.steps:
        found.setdefault(step.name, []).append(str(step.partitions))
    return found


def named(trace: Trace, name: str) -> Step:
    return next(step for step in trace.steps if step.name == name)


def test_a_landing_object_leads_to_every_table_model_and_prediction_that_it_touched(built: World) -> None:
    assert reached(built.ask("landing", OBJECT)) == {
        "toy/{day}.csv": ["2013-01-30"],
        "toy/raw": ["2013-01-30"],
        "toy/clean": ["2013-01-30"],
        "toy/features": ["3 partitions, 2013-01-30 to 2013-02-01"],
        "toy/labels": ["2013-01-30"],
        "toy/delay_model": [FEBRUARY],
        "toy/delay_model_version": [FEBRUARY],
        "toy/predictions": ["4 partitions, 2013-02-01 to 2013-02-04", "2013-02-01"],
    }


def test_an_object_after_the_last_training_leads_to_no_model(built: World) -> None:
    found = reached(built.ask("toy/2013-02-03.csv"))
    assert found["toy/features"] == ["2 partitions, 2013-02-03 to 2013-02-04"]
    assert "toy/delay_model" not in found
    assert found["toy/predictions"] == ["2 partitions, 2013-02-03 to 2013-02-04"]


def test_any_partition_and_any_version_of_a_model_can_be_followed_down(built: World) -> None:
    assert set(reached(built.ask("toy/labels", "2013-01-30", direction="downstream"))) == {
        *("toy/labels", "toy/delay_model", "toy/delay_model_version", "toy/predictions"),
    }
    version = reached(built.ask("toy_delay", "1", direction="downstream"))
    assert version["toy/predictions"] == ["4 partitions, 2013-02-01 to 2013-02-04"]


def test_upstream_and_downstream_agree_on_who_touched_whom(built: World) -> None:
    down = built.ask("landing", OBJECT)
    for step in down.steps:
        if step.kind == "table" and step.partitions is not None:
            up = built.ask(step.name, step.partitions.first)
            assert OBJECT in {one.path for each in up.steps for one in each.objects}


def test_a_corrected_object_says_what_is_out_of_date_until_it_is_built_again(world: World) -> None:
    world.land("2013-01-30", value=7)
    assert named(world.ask("landing", OBJECT), "toy/{day}.csv").changed_since == ("2013-01-30",)
    world.run("raw", days=["2013-01-30"])
    trace = world.ask("landing", OBJECT)
    assert named(trace, "toy/clean").facts["made_from_other_content"] == ["2013-01-30"]
    assert named(trace, "toy/predictions").facts["source_is_out_of_date"] is True
    world.run("clean", "labels", days=["2013-01-30"])
    assert named(world.ask("landing", OBJECT), "toy/clean").facts["made_from_other_content"] == []


def test_a_model_that_was_replaced_is_still_told_with_the_days_that_it_predicted(world: World) -> None:
    world.land("2013-01-30", value=7)
    world.run(*TABLES, days=["2013-01-30"])
    world.run("delay_model", "delay_model_version", "delay_champion", days=[FEBRUARY])
    world.run("predictions", days=["2013-02-04"])
    trace = world.ask("landing", OBJECT)
    models = [step for step in trace.steps if step.name == "toy/delay_model"]
    predicted = [
        sorted(str(s.partitions) for s in trace.steps if s.name == "toy/predictions" and _comes_after(trace, model, s))
        for model in models
    ]
    assert sorted(predicted) == [["2013-02-04"], ["3 partitions, 2013-02-01 to 2013-02-03"]]


def _comes_after(trace: Trace, model: Step, step: Step) -> bool:
    after = [following for following, _ in trace.next_of(model.id)]
    return any(step.id == each.id or _comes_after(trace, each, step) for each in after)
