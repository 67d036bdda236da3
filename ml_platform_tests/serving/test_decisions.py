"""People's decisions: carried out in the registry, the records and Dagster, whatever dies in between."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from ml_platform.errors import ModelNotApprovedError
from ml_platform.serving.decisions import Decided, promote, refresh_records, roll_back
from ml_platform.serving.declared import Deployed, deployments_of
from ml_platform_tests.serving.scenario import NAME, World

DEPLOYED = [Deployed(NAME, "flights/delay_champion", "flights/delay_predictions", requires_approval=False)]
DAYS = ("2013-11-30", "2013-12-01", "2013-12-02")


def rolled_back(world: World, to: int | None = None) -> Decided:
    return roll_back(world.places, DEPLOYED, NAME, to=to, reason="false alarms", by="ops")


def predicted(world: World) -> dict[str, str]:
    """Content hash of each predicted day."""
    world.run("delay_predictions", DAYS[0], DAYS[-1])
    states = world.location.tables().partitions("flights/delay_predictions")
    return {day: states[day].content_hash for day in DAYS}


def test_predictions_after_a_rollback_are_those_before_the_promotion(world: World) -> None:
    world.land(DAYS)
    world.promote("2013-11-01")
    world.register("2013-12-01", "refused")
    world.run("delay_champion", "2013-12-01")
    before = predicted(world)
    world.register("2013-12-01", "approved", inverted=True)
    world.run("delay_champion", "2013-12-01")
    bad = predicted(world)
    assert [day for day in DAYS if bad[day] != before[day]] == ["2013-12-01", "2013-12-02"]
    assert [(each.month, each.before, each.after) for each in rolled_back(world).months] == [("2013-12-01", 3, 1)]
    assert predicted(world) == before


def test_a_rollback_gives_the_months_record_a_new_data_version(world: World) -> None:
    world.promote("2013-11-01", "2013-12-01")
    before = world.told("delay_champion", "2013-12-01")
    rolled_back(world)
    after = world.told("delay_champion", "2013-12-01")
    assert (after.tags or {})[DATA_VERSION_TAG] != (before.tags or {})[DATA_VERSION_TAG]
    assert after.metadata["champion"].value == "version 1, as of 2013-11-01"
    assert world.told("delay_champion", "2013-11-01").metadata["champion"].value == "version 1, as of 2013-11-01"


def test_a_promotion_by_hand_gives_back_the_record_of_before(world: World) -> None:
    world.promote("2013-11-01", "2013-12-01")
    before = world.told("delay_champion", "2013-12-01").tags
    rolled_back(world)
    decided = promote(world.places, DEPLOYED, NAME, 2, reason="the source was wrong", by="ops")
    assert [(each.before, each.after) for each in decided.months] == [(1, 2)]
    assert world.told("delay_champion", "2013-12-01").tags == before


def test_materializing_the_month_again_does_not_promote_what_was_rolled_back(world: World) -> None:
    world.promote("2013-11-01", "2013-12-01")
    rolled_back(world)
    told = world.metadata(world.run("delay_champion", "2013-12-01"))
    assert (told["promoted"], told["outcome"]) == (False, "rolled back")
    assert "by ops: false alarms" in told["reason"]
    assert f"ml-platform promote {NAME} 2" in told["reason"]
    assert world.tracking.registry.require_champion(NAME).version == 1


def test_a_new_version_of_the_month_is_promoted_after_a_rollback(world: World) -> None:
    world.promote("2013-11-01", "2013-12-01")
    rolled_back(world)
    world.register("2013-12-01", inverted=True)
    world.run("delay_champion", "2013-12-01")
    assert world.tracking.registry.require_champion(NAME).version == 3


def test_a_rollback_that_died_after_the_log_is_completed_and_goes_no_further(world: World) -> None:
    world.promote("2013-10-01", "2013-11-01", "2013-12-01")
    world.tracking.registry.roll_back(NAME, reason="false alarms")
    again = rolled_back(world)
    assert (again.is_continued, [(each.before, each.after) for each in again.months]) == (True, [(3, 2)])
    assert world.tracking.registry.require_champion(NAME).version == 2


def test_a_record_that_dagster_was_not_told_of_is_told(world: World) -> None:
    world.promote("2013-11-01", "2013-12-01")
    with dg.DagsterInstance.ephemeral() as lost:
        roll_back(world.places._replace(instance=lost), DEPLOYED, NAME, to=None, reason="false alarms", by="ops")
    assert world.told("delay_champion", "2013-12-01").metadata["champion"].value == "version 2, as of 2013-12-01"
    refresh_records(world.places, DEPLOYED, NAME)
    assert world.told("delay_champion", "2013-12-01").metadata["champion"].value == "version 1, as of 2013-11-01"
    assert refresh_records(world.places, DEPLOYED, NAME) == []


def test_where_approval_is_required_a_version_waits_and_says_what_to_type(world: World) -> None:
    world.register("2013-10-01")
    result = world.run("delay_champion", "2013-10-01", requires_approval=True)
    told, check = world.metadata(result), result.get_asset_check_evaluations()[0]
    assert (told["outcome"], told["champion"], check.passed) == ("waiting", "none yet", False)
    assert f"ml-platform approve {NAME} 1 --reason" in told["reason"]
    with pytest.raises(ModelNotApprovedError, match="waits for a person's approval"):
        promote(world.places, [DEPLOYED[0]._replace(requires_approval=True)], NAME, 1, reason="hurry", by="ops")


def test_an_approved_version_is_promoted_by_the_next_materialization(world: World) -> None:
    version = world.register("2013-10-01").version
    world.run("delay_champion", "2013-10-01", requires_approval=True)
    world.tracking.registry.set_approval(NAME, version, is_approved=True, by="ann", reason="looked at it")
    result = world.run("delay_champion", "2013-10-01", requires_approval=True)
    told = world.metadata(result)
    assert (told["promoted"], told["approval"]) == (True, "approved by ann: looked at it")
    assert result.get_asset_check_evaluations()[0].passed


def test_a_rejected_version_is_not_promoted_and_tells_by_whom(world: World) -> None:
    version = world.register("2013-10-01").version
    world.tracking.registry.set_approval(NAME, version, is_approved=False, by="ann", reason="too few nights")
    told = world.metadata(world.run("delay_champion", "2013-10-01"))
    assert (told["outcome"], told["reason"]) == ("rejected", "Rejected by ann: too few nights")


def test_the_log_is_a_table_in_the_ui_newest_first(world: World) -> None:
    world.promote("2013-10-01")
    records, _ = world.metadata(world.run("delay_champion", "2013-10-01"))["registry_log"]
    assert [each.data["what"] for each in records] == ["promoted", "gate approved", "registered"]
    assert records[0].data["by"].startswith("run ")


def test_a_deployment_is_found_by_its_model_in_the_yaml(tmp_path: Path) -> None:
    assert deployments_of(NAME) == DEPLOYED
    assert deployments_of("nothing") == []
    assert deployments_of(NAME, tmp_path) == []
