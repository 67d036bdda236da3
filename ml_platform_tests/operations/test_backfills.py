"""Backfills of a toy location that is loaded into the process: what is meant, planned, done and left."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus
from dagster._daemon.backfill import execute_backfill_iteration

from ml_platform.errors import BackfillNotFoundError, BackfillStateError, RunRequestError, UnknownAssetError
from ml_platform.execution.instance import BACKFILLS_WAIT
from ml_platform.execution.launch import CodeLocation, RunRequest, run_job
from ml_platform.operations.backfills import plan, starting
from ml_platform.operations.backfills.assets import Assets, models_of, named, read_assets
from ml_platform.operations.backfills.dagster_api import InProcess, workspace_of
from ml_platform.operations.backfills.here import Done
from ml_platform.operations.backfills.progress import progress
from ml_platform.operations.backfills.request import Backfills, Planned
from ml_platform.operations.backfills.selection import Asked
from ml_platform.provenance.catalog import read_catalogs
from ml_platform.settings import Settings
from ml_platform_tests.execution.instances import platform_instance
from ml_platform_tests.operations.backfill_location import DAYS, TOY, fail

NUMBERS, SUMS, CLEAN, FEATURES, MODEL = (f"toy/{each}" for each in ("numbers", "sums", "clean", "features", "model"))
WEEK = DAYS[:7]
_fresh = (DAYS[number : number + 10] for number in count(20, 10))


class World:
    """A home, its history, and the toy location."""

    def __init__(self, home: Path, instance: dg.DagsterInstance, stack: ExitStack) -> None:
        self.home, self.instance = home, instance
        self.backfills = Backfills(Settings(home=home), instance, read_catalogs(), [TOY], here=True)
        self.api = stack.enter_context(self.backfills.api())
        assert isinstance(self.api, InProcess)

    def plan(self, *names: str, downstream: bool = False, **asked: object) -> Planned:
        return self.backfills.plan(self.api, names, Asked(**asked), downstream=downstream)  # type: ignore[arg-type]

    def do(self, *names: str, **asked: object) -> Done:
        return self.backfills.do_here(self.api, self.plan(*names, **asked), lambda _: None)[-1]

    def left(self, backfill_id: str) -> Planned:
        return self.backfills.plan_left(self.api, starting.find(self.instance, backfill_id))

    def resume(self, backfill_id: str) -> Done:
        tags = starting.resumed_tags(starting.find(self.instance, backfill_id))
        return self.backfills.do_here(self.api, self.left(backfill_id), lambda _: None, tags)[-1]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests of the module; each is at days of its own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, platform_instance(home / "dagster") as instance, ExitStack() as stack:
        patch.setenv("ML_PLATFORM_HOME", str(home))
        yield World(home, instance, stack)


@pytest.fixture
def days(world: World) -> list[str]:
    """Ten days that no other test is at."""
    fail(world.home)
    return list(next(_fresh))


@pytest.fixture(scope="module")
def assets(world: World) -> Assets:
    return read_assets(world.api)


def test_a_whole_use_case_is_what_stands_below_its_name(world: World) -> None:
    assert {NUMBERS, SUMS, CLEAN, FEATURES, MODEL} < set(world.plan("toy", all=True).parts)
    assert "toy/register" in world.plan("toy", first=WEEK[0], last=WEEK[0]).left_out


def test_a_range_means_days_and_the_months_in_it(world: World) -> None:
    parts = world.plan(NUMBERS, MODEL, first="2013-01-30", last="2013-03-02").parts
    assert len(parts[NUMBERS]) == 32
    assert parts[MODEL] == ("2013-02-01", "2013-03-01")


def test_any_set_of_days_can_be_meant(world: World) -> None:
    planned = world.plan(NUMBERS, partitions=[DAYS[9], DAYS[0]], first=DAYS[3], last=DAYS[4])
    assert planned.parts[NUMBERS] == (DAYS[0], DAYS[3], DAYS[4], DAYS[9])


def test_what_one_step_makes_is_made_together(world: World) -> None:
    parts = world.plan(CLEAN, partitions=WEEK).parts
    assert parts == {CLEAN: tuple(WEEK), "toy/quarantine": tuple(WEEK)}


def test_a_stretch_of_days_is_one_run_where_the_policy_says_so(world: World) -> None:
    assert world.plan(CLEAN, all=True).runs == 1
    assert world.plan(CLEAN, partitions=[*WEEK, DAYS[9]]).runs == 2
    assert world.plan(NUMBERS, SUMS, partitions=WEEK).runs == 2  # of five days at most


def test_downstream_follows_the_mappings_of_partitions(world: World) -> None:
    parts = world.plan(CLEAN, downstream=True, partitions=[DAYS[5]]).parts
    assert parts[FEATURES] == tuple(DAYS[5:8])
    assert len(parts[MODEL]) == 6


def test_everything_follows_from_an_asset_without_partitions(world: World) -> None:
    parts = world.plan("toy/register", downstream=True).parts
    assert parts["toy/register"] == ()
    assert parts[SUMS] == tuple(DAYS)


def test_runs_come_after_those_that_they_need(assets: Assets) -> None:
    runs = plan.runs(assets, {CLEAN: WEEK, "toy/quarantine": WEEK, FEATURES: DAYS[:9], NUMBERS: WEEK})
    assert [run.assets[0] for run in runs] == [NUMBERS, NUMBERS, CLEAN, FEATURES]


@pytest.mark.parametrize(
    ("names", "asked", "told"),
    [
        (("toy/nubmers",), {"all": True}, "toy/numbers"),
        (("flihgts_delay",), {"all": True}, "flights_delay"),
        ((NUMBERS,), {}, "--from and --to"),
        ((NUMBERS,), {"partitions": ["2013-07-44"]}, "2013-01-01 to 2013-07-19"),
        ((NUMBERS,), {"partitions": ["2013-7-04"]}, "perhaps 2013-07-04"),
        ((NUMBERS,), {"first": "2014-01-01"}, "2014-01-01"),
        ((NUMBERS,), {"first": "2013-03-01", "last": "2013-02-01"}, "comes after"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(
    world: World, names: tuple[str, ...], asked: dict[str, object], told: str
) -> None:
    with pytest.raises((UnknownAssetError, RunRequestError), match=told):
        world.plan(*names, **asked)
    assert not world.instance.get_backfills()


def test_a_pipeline_that_makes_nothing_of_it_is_refused(assets: Assets) -> None:
    with pytest.raises(UnknownAssetError, match="one of toy"):
        named(assets, ["toy"], "training")


def test_only_what_failed_last_is_meant_by_failed(world: World, days: list[str]) -> None:
    fail(world.home, days[2], days[5])
    world.do(NUMBERS, partitions=days)
    assert world.plan(NUMBERS, states=["failed"], first=days[0], last=days[-1]).parts == {NUMBERS: (days[2], days[5])}
    fail(world.home)
    world.do(NUMBERS, partitions=[days[2]])
    assert world.plan(NUMBERS, states=["failed"], first=days[0], last=days[-1]).parts == {NUMBERS: (days[5],)}


def test_only_what_was_never_made_is_meant_by_missing(world: World, days: list[str]) -> None:
    world.do(NUMBERS, partitions=days[:4])
    assert world.plan(NUMBERS, states=["missing"], first=days[0], last=days[-1]).parts[NUMBERS] == tuple(days[4:])
    assert "toy/register" in world.plan("toy", states=["missing"]).parts


def test_nothing_is_planned_where_nothing_is_in_that_state(world: World, days: list[str]) -> None:
    assert world.plan(NUMBERS, states=["failed", "stale"], partitions=days).parts == {}


def test_an_estimate_says_from_how_many_runs_it_is(world: World, days: list[str]) -> None:
    assert world.plan(MODEL, all=True).estimate == (0.0, 0, (MODEL,))
    world.do(FEATURES, first=days[0], last=days[4])
    one, five = (world.plan(FEATURES, partitions=days[:size]).estimate for size in (1, 5))
    assert (one.observations, one.without_history) == (1, ())
    assert five.seconds == pytest.approx(5 * one.seconds)


def test_a_backfill_here_leaves_out_what_needs_what_failed(world: World, days: list[str]) -> None:
    fail(world.home, days[1])
    done = world.do(NUMBERS, SUMS, CLEAN, partitions=days[:3])
    assert (len(done.failures), done.left_out) == (1, 1)
    found = progress(world.instance, starting.find(world.instance, done.backfill_id))
    assert {each.name: each[1:] for each in found.assets}[NUMBERS] == (3, 2, 1, 0)
    assert found.reasons == {"ValueError in toy__numbers (code)": 1}
    assert found.status == "completed failed"


def test_a_resumption_makes_what_failed_and_what_hangs_on_it(world: World, days: list[str]) -> None:
    fail(world.home, days[1])
    first = world.do(NUMBERS, SUMS, partitions=days[:3]).backfill_id
    fail(world.home)
    assert world.left(first).parts == {NUMBERS: (days[1],), SUMS: tuple(days[:3])}
    second = world.resume(first).backfill_id
    assert _not_made_once(world, NUMBERS, days[:3]) | _not_made_once(world, SUMS, days[:3]) == set()
    assert starting.newest_of(world.instance, starting.find(world.instance, first)).backfill_id == second
    with pytest.raises(BackfillStateError, match="Nothing is left"):
        world.left(second)


def test_what_somebody_made_meanwhile_is_not_left(world: World, days: list[str]) -> None:
    fail(world.home, days[1], days[2])
    first = world.do(NUMBERS, partitions=days[:3]).backfill_id
    fail(world.home)
    world.do(NUMBERS, partitions=[days[2]])
    assert world.left(first).parts == {NUMBERS: (days[1],)}


def test_what_hangs_on_something_left_is_left_though_somebody_made_it(world: World, days: list[str]) -> None:
    fail(world.home, days[1])
    first = world.do(NUMBERS, SUMS, partitions=days[:3]).backfill_id
    world.do(SUMS, partitions=days[:3])
    assert world.left(first).parts == {NUMBERS: (days[1],), SUMS: tuple(days[:3])}


def test_a_backfill_whose_process_died_stands_as_canceled_with_what_it_made(world: World, days: list[str]) -> None:
    def die(told: str) -> None:
        if told.startswith("2 of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.backfills.do_here(world.api, world.plan(NUMBERS, partitions=days), die)
    stands = world.instance.get_backfills(limit=1)[0]
    assert stands.status is BulkActionStatus.CANCELED
    assert world.left(stands.backfill_id).parts == {NUMBERS: tuple(days[5:])}


def test_a_backfill_is_found_by_the_beginning_of_its_id(world: World, days: list[str]) -> None:
    backfill_id = world.do(NUMBERS, partitions=days[:1]).backfill_id
    assert starting.find(world.instance, backfill_id[:7]).backfill_id == backfill_id
    with pytest.raises(BackfillNotFoundError, match="backfill list"):
        starting.find(world.instance, "nonsense")
    with pytest.raises(BackfillStateError, match="is over"):
        starting.cancel(world.instance, starting.find(world.instance, backfill_id))


def test_months_that_are_trained_and_promoted_follow_one_another(assets: Assets) -> None:
    catalogs = read_catalogs()
    chain = models_of(catalogs)["flights_delay"]
    months = ("2013-10-01", "2013-11-01")
    known = _declared(assets, chain)
    parts = {**dict.fromkeys(chain, months), "flights/raw": ("2013-10-05",), "flights/after": ("2013-10-05",)}
    waves = plan.waves(known, parts, catalogs)
    assert [sorted(wave) for wave in waves] == [["flights/raw"], sorted(chain), sorted(chain), ["flights/after"]]
    assert [wave[chain[0]] for wave in waves[1:3]] == [("2013-10-01",), ("2013-11-01",)]


def test_months_that_are_only_trained_are_one_backfill(assets: Assets) -> None:
    catalogs = read_catalogs()
    chain = models_of(catalogs)["flights_delay"]
    parts = dict.fromkeys(chain[:3], ("2013-10-01", "2013-11-01"))
    assert plan.waves(_declared(assets, chain), parts, catalogs) == [parts]


def _declared(assets: Assets, chain: list[str]) -> Assets:
    """The chain of a model, each made from the one before, between two tables."""
    names = ["flights/raw", *chain, "flights/after"]
    kind = assets[MODEL]
    before: Callable[[int], tuple[str, ...]] = lambda place: (names[place - 1],) if place else ()  # noqa: E731
    return {name: kind._replace(name=name, step=name, made_from=before(place)) for place, name in enumerate(names)}


def _not_made_once(world: World, asset: str, days: list[str]) -> set[str]:
    rows = world.instance.get_asset_event_summary_records(
        dg.DagsterEventType.ASSET_MATERIALIZATION, dg.AssetKey(asset.split("/"))
    )
    made = [row.partition for row in rows if row.partition in days]
    return {day for day in days if made.count(day) != 1}


def test_a_run_of_another_kind_is_no_backfill(world: World, days: list[str]) -> None:
    run_job(world.instance, RunRequest(TOY, assets=[dg.AssetKey(["toy", "numbers"])], partitions=days[0]))
    assert days[0] not in world.plan(NUMBERS, states=["missing"]).parts[NUMBERS]


@pytest.mark.filterwarnings("ignore:Error loading repository location")  # that it cannot be loaded is the point
@pytest.mark.parametrize(("waits", "stands"), [("1", BulkActionStatus.REQUESTED), ("", BulkActionStatus.FAILING)])
def test_a_backfill_waits_for_a_location_that_cannot_be_loaded(
    world: World, days: list[str], monkeypatch: pytest.MonkeyPatch, waits: str, stands: BulkActionStatus
) -> None:
    planned = world.plan(NUMBERS, partitions=days)
    (backfill_id,) = world.backfills.begin(world.api, planned, lambda _: None)
    monkeypatch.setenv(BACKFILLS_WAIT, waits)
    with workspace_of(world.instance, [CodeLocation(TOY.name, "no_such_module")]) as broken:
        list(execute_backfill_iteration(broken, logging.getLogger("daemon")))
    assert starting.find(world.instance, backfill_id).status is stands
    world.instance.update_backfill(
        starting.find(world.instance, backfill_id)._replace(status=BulkActionStatus.CANCELED)
    )
