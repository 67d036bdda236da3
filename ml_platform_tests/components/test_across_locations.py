"""What the four locations say of each other's assets: held for every use case that there is, and every one to come."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.assets.graph.remote_asset_graph import RemoteWorkspaceAssetGraph
from dagster._core.workspace.context import WorkspaceProcessContext

from ml_platform.components.references import USE_CASES
from ml_platform.components.use_case import UseCase, load_use_case
from ml_platform.online.served import SUFFIX
from ml_platform.serving.tables import days_with_a_model
from ml_platform_tests.execution.instances import queueing_instance
from ml_platform_tests.execution.locations import InThisProcess

# Dagster loads locations in processes of their own, where what it uses that is deprecated is no error
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
LOCATIONS = ("data", "training", "serving", "operations")
MODULES = tuple(f"ml_platform.{location}.definitions" for location in LOCATIONS)


class World:
    """The lineage as the UI has it, and as each location has it."""

    def __init__(self, workspace: WorkspaceProcessContext) -> None:
        """All locations are loaded."""
        request = workspace.create_request_context()
        self.merged: RemoteWorkspaceAssetGraph = request.asset_graph
        repositories = [next(iter(each.get_repositories().values())) for each in request.code_locations]
        self.each: list[BaseAssetGraph] = [repository.asset_graph for repository in repositories]  # type: ignore[type-arg]

    def upstream_of(self, key: dg.AssetKey) -> set[dg.AssetKey]:
        """All that it is made from, across locations."""
        found, todo = set[dg.AssetKey](), [key]
        while todo:
            new = self.merged.get(todo.pop()).parent_keys - found
            found |= new
            todo += new
        return found

    def read(self, child: str, parent: str, partition: str) -> list[str]:
        """The partitions of `flights/<parent>` that a partition of `flights/<child>` is made from."""
        of, to = self.merged.get(dg.AssetKey(["flights", child])), self.merged.get(dg.AssetKey(["flights", parent]))
        assert of.partitions_def is not None
        mapping = self.merged.get_partition_mapping(of.key, to.key)
        asked = of.partitions_def.subset_with_partition_keys([partition])
        read = mapping.get_upstream_mapped_partitions_result_for_partitions
        return sorted(read(asked, of.partitions_def, to.partitions_def).partitions_subset.get_partition_keys())

    def made_of(self, parent: str, child: str, partition: str) -> list[str]:
        """The partitions of `flights/<child>` that are made from a partition of `flights/<parent>`."""
        of, to = self.merged.get(dg.AssetKey(["flights", parent])), self.merged.get(dg.AssetKey(["flights", child]))
        assert of.partitions_def is not None
        assert to.partitions_def is not None
        mapping = self.merged.get_partition_mapping(to.key, of.key)
        asked = of.partitions_def.subset_with_partition_keys([partition])
        found = mapping.get_downstream_partitions_for_partitions(asked, of.partitions_def, to.partitions_def)
        return sorted(found.get_partition_keys())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with (
        queueing_instance(tmp_path_factory.mktemp("instance")) as instance,
        WorkspaceProcessContext(instance, InThisProcess(*MODULES, attribute="defs")) as workspace,
    ):
        yield World(workspace)


def test_what_a_location_reads_and_does_not_make_is_made_or_observed_by_another(world: World) -> None:
    made = {key for graph in world.each for key in graph.materializable_asset_keys}
    named = {key for graph in world.each for key in graph.get_all_asset_keys()} - made
    begins = {key for key in named if key.path[1] == "landing" or key.path[-1].endswith("_as_of")}
    served = {key for key in named if key.path[-1].endswith(SUFFIX)}  # the online service writes them by itself
    assert named - begins - served == set()
    assert begins


def test_locations_agree_on_the_partitions_of_every_asset_that_several_of_them_name(world: World) -> None:
    keys = {key for graph in world.each for key in graph.get_all_asset_keys()}
    shared = {key: [graph.get(key).partitions_def for graph in world.each if graph.has(key)] for key in keys}
    assert {key for key, said in shared.items() if any(each != said[0] for each in said)} == set()
    assert sum(len(said) > 1 for said in shared.values()) >= 4


def test_the_lineage_goes_on_across_locations_to_the_landing_zone(world: World) -> None:
    for use_case in (load_use_case(path.parent) for path in USE_CASES.glob("*/use_case.yaml")):
        own = [key for key in world.merged.get_all_asset_keys() if key.path[0] == use_case.name]
        landing = {key for key in own if key.path[1] == "landing"}
        ends = [key for key in own if world.merged.get(key).is_materializable and not world.merged.get(key).child_keys]
        assert landing & {key for end in ends for key in world.upstream_of(end)}
        models = [key for key in own if key.path[-1].endswith("_model")]
        assert all(landing & world.upstream_of(model) for model in models)


@pytest.mark.parametrize(
    ("day", "first"),
    [
        ("2013-01-01", "2013-01-01"),  # before it there is nothing to look back on
        ("2013-01-02", "2013-01-01"),
        ("2013-01-31", "2013-01-01"),
        ("2013-02-01", "2013-01-02"),
        ("2013-03-11", "2013-02-09"),  # across the day that has 23 hours
        ("2013-11-03", "2013-10-04"),  # the day that has 25
        ("2013-12-31", "2013-12-01"),
    ],
)
def test_features_look_back_thirty_days_and_never_before_the_first(world: World, day: str, first: str) -> None:
    read = world.read("delay_features", "clean", day)
    assert (read[0], read[-1], len(read)) == (first, day, (int(day[5:7]) > 1 and 31) or int(day[8:]))


@pytest.mark.parametrize(
    ("day", "last"), [("2013-01-01", "2013-01-31"), ("2013-03-10", "2013-04-09"), ("2013-12-15", "2013-12-31")]
)
def test_a_day_is_looked_back_on_for_thirty_days_and_never_after_the_last(world: World, day: str, last: str) -> None:
    made = world.made_of("clean", "delay_features", day)
    assert (made[0], made[-1]) == (day, last)


@pytest.mark.parametrize("day", ["2013-10-01", "2013-10-31", "2013-11-01", "2013-11-03", "2013-12-01", "2013-12-31"])
def test_a_day_is_predicted_from_its_features_and_the_champions_up_to_its_month(world: World, day: str) -> None:
    assert world.read("delay_predictions", "delay_features", day) == [day]
    months = [f"2013-{month}-01" for month in (10, 11, 12)]
    assert world.read("delay_predictions", "delay_champion", day) == [month for month in months if month <= day]


def test_days_before_the_first_model_are_predicted_by_nobody(world: World) -> None:
    assert world.made_of("delay_features", "delay_predictions", "2013-09-30") == []
    assert world.made_of("delay_features", "delay_predictions", "2013-10-01") == ["2013-10-01"]


def test_a_champion_answers_from_its_month_on_to_the_end_of_the_year(world: World) -> None:
    for month in ("2013-10-01", "2013-11-01", "2013-12-01"):
        days = world.made_of("delay_champion", "delay_predictions", month)
        assert (days[0], days[-1]) == (month, "2013-12-31")


def test_a_model_is_made_from_the_root_of_its_own_month_alone(world: World) -> None:
    for month in ("2013-10-01", "2013-12-01"):
        assert world.read("delay_model", "delay_features_as_of", month) == [month]


@pytest.mark.parametrize(("last_day", "months"), [("2013-12-31", 3), ("2014-01-01", 4), ("2013-10-01", 1)])
def test_days_with_a_model_begin_with_the_first_month_and_end_with_the_calendar(last_day: str, months: int) -> None:
    use_case = UseCase.model_validate({**load_use_case(USE_CASES / "flights").model_dump(), "last_day": last_day})
    days, as_of = days_with_a_model(use_case).get_partition_keys(), use_case.by_as_of_month.get_partition_keys()
    assert (days[0], days[-1]) == (as_of[0], last_day)
    assert len(as_of) == months
    assert as_of[-1][:7] == last_day[:7]
