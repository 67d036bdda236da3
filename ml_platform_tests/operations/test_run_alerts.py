import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from ml_platform.operations import run_alerts
from ml_platform_tests.operations.conftest import Watched
from ml_platform_tests.operations.toy import DAYS, SECRET_ROW, World, refused


@pytest.fixture
def world() -> World:
    return World()


def test_a_failed_run_is_one_alert_with_what_is_served_meanwhile(watched: Watched, world: World) -> None:
    world.run(watched.instance, DAYS[0])
    world.error = refused()
    run_id = world.run(watched.instance, DAYS[0])
    assert watched.look() == ["toy/clean x1"]
    alert = watched.center.open()[0].alert
    assert alert.what.endswith(f"for {DAYS[0]}: toy/clean 2013-07-04 refused 9 of 10 toys. Mend the toys.")
    assert alert.served_meanwhile.startswith(f"toy/clean {DAYS[0]} as it was, published ")
    assert (alert.error_class, alert.error, alert.partitions) == ("data", "ContractViolatedError", 1)
    assert alert.run_url == f"http://ui/runs/{run_id}"


def test_the_text_of_an_error_that_may_quote_rows_stays_in_the_log(watched: Watched, world: World) -> None:
    world.error = ValueError(f"cannot parse {SECRET_ROW}")
    world.run(watched.instance, DAYS[0])
    watched.look()
    alert = watched.center.open()[0].alert
    assert SECRET_ROW not in alert.model_dump_json()
    assert "ValueError in step toy__clean" in alert.what


def test_runs_that_fail_alike_are_counted(watched: Watched, world: World) -> None:
    world.error = ValueError("1 bad toy")
    world.run(watched.instance, DAYS[0])
    world.error = ValueError("2 bad toys")
    world.run(watched.instance, DAYS[1])
    assert watched.look() == ["toy/clean x2"]
    assert watched.center.open()[0].alert.partitions == 2


def test_a_success_for_another_day_does_not_mend_this_day(watched: Watched, world: World) -> None:
    world.error = ValueError("bad toys")
    world.run(watched.instance, DAYS[0], DAYS[1])
    watched.look()
    world.error = None
    world.run(watched.instance, DAYS[2])
    world.run(watched.instance, DAYS[0])
    assert watched.look() == ["toy/clean x1"]
    assert [each.partition for each in watched.center.open()[0].affected] == [DAYS[1]]
    world.run(watched.instance, DAYS[0], DAYS[2])
    assert watched.look() == []


def test_a_success_before_the_failure_does_not_mend_it(watched: Watched, world: World) -> None:
    world.run(watched.instance, DAYS[0])
    world.error = ValueError("bad toys")
    world.run(watched.instance, DAYS[0])
    world.error = None
    assert watched.look() == ["toy/clean x1"]


def test_looking_twice_at_the_same_runs_changes_nothing(watched: Watched, world: World) -> None:
    begin = watched.cursor
    world.error = ValueError("bad toys")
    world.run(watched.instance, DAYS[0])
    watched.look()
    watched.cursor = begin
    assert watched.look() == ["toy/clean x1"]


def test_a_run_that_is_tried_again_raises_nothing(watched: Watched, world: World) -> None:
    world.error = ValueError("bad toys")
    run_id = world.run(watched.instance, DAYS[0])
    watched.instance.add_run_tags(run_id, {WILL_RETRY_TAG: "true"})
    assert watched.look() == []
    watched.instance.add_run_tags(run_id, {AUTO_RETRY_RUN_ID_TAG: "another"})
    assert watched.look() == []
    assert watched.center.put_off_runs() == []


def test_a_retry_that_never_comes_is_told_after_all(
    watched: Watched, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.error = ValueError("bad toys")
    run_id = world.run(watched.instance, DAYS[0])
    watched.instance.add_run_tags(run_id, {WILL_RETRY_TAG: "true"})
    watched.look()
    monkeypatch.setattr(run_alerts, "UNSTARTED", run_alerts.UNSTARTED * 0)
    assert watched.look() == ["toy/clean x1"]


def test_a_retry_that_could_not_be_started_is_told(watched: Watched, world: World) -> None:
    world.error = ValueError("bad toys")
    run_id = world.run(watched.instance, DAYS[0])
    watched.instance.add_run_tags(run_id, {WILL_RETRY_TAG: "true"})
    watched.look()
    watched.instance.add_run_tags(run_id, {WILL_RETRY_TAG: "false"})
    assert watched.look() == ["toy/clean x1"]


def test_a_cancelled_run_raises_nothing(watched: Watched, world: World) -> None:
    run = watched.instance.create_run_for_job(dg.define_asset_job("toys").resolve(asset_graph=_graph(world)))
    watched.instance.report_run_canceled(run)
    assert watched.look() == []


def test_a_lost_worker_is_told_by_its_job_and_mended_by_its_assets(watched: Watched, world: World) -> None:
    job = dg.define_asset_job("build_toys").resolve(asset_graph=_graph(world))
    run = watched.instance.create_run_for_job(job, tags={"dagster/partition": DAYS[0]})
    watched.instance.report_run_failed(run, "The worker of this run was lost.")
    watched.instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "false"})
    assert watched.look() == ["job build_toys x1"]
    assert watched.center.open()[0].alert.use_case == "toy"
    world.run(watched.instance, DAYS[0])
    assert watched.look() == []


def test_a_check_that_does_not_pass_is_an_alert_until_it_does(watched: Watched, world: World) -> None:
    world.passes = False
    world.run(watched.instance, DAYS[0])
    assert watched.look() == ["toy/clean: toys_are_whole x1"]
    assert "2 toys are broken." in watched.center.open()[0].alert.what
    world.passes = True
    world.run(watched.instance, DAYS[1])
    assert watched.look() == ["toy/clean: toys_are_whole x1"]
    world.run(watched.instance, DAYS[0])
    assert watched.look() == []


def _graph(world: World) -> AssetGraph:
    return dg.Definitions(assets=world.assets).resolve_asset_graph()
