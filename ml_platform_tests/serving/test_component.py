"""The component: light to import, explained field by field, and a whole set of assets for flights."""

import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from pydantic import BaseModel

from ml_platform.components.use_case import load_use_case
from ml_platform.errors import DefinitionError
from ml_platform.serving.component import Deployment
from ml_platform.serving.deployment import build_deployment
from ml_platform.settings import Settings
from ml_platform_tests.serving.scenario import FOLDER, definitions, deployment

HEAVY = "{'mlflow', 'sklearn', 'skops', 'matplotlib', 'pandas', 'polars', 'dataframely', 'deltalake'}"


def fields(model: type[BaseModel]) -> Iterator[tuple[str, str | None]]:
    for name, field in model.model_fields.items():
        yield f"{model.__name__}.{name}", field.description
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation)


def asset_graph() -> AssetGraph:
    return definitions(Settings()).resolve_asset_graph()


def test_importing_the_component_imports_nothing_heavy() -> None:
    script = f"import sys, ml_platform.serving.component; print({HEAVY} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_field_is_described() -> None:
    assert [name for name, description in fields(Deployment) if not description] == []


def test_flights_is_served_by_five_assets_with_their_checks() -> None:
    graph = asset_graph()
    made = {"/".join(node.key.path) for node in graph.asset_nodes if node.is_materializable}
    assert made == {f"flights/delay_{name}" for name in ("champion", "predictions", "quality", "drift", "alarms")}
    assert {key.name for key in graph.asset_check_keys} == {
        "every_flight_has_a_prediction",
        "predictions_are_probabilities",
        "daily_quality_is_within_its_limits",
        "features_are_as_in_training",
        "predictions_are_as_good_as_evaluated",
        "is_not_degraded",
    }


def test_every_asset_says_what_it_is_and_whose() -> None:
    graph = asset_graph()
    made = [node for node in graph.asset_nodes if node.is_materializable]
    assert all(
        node.description and node.owners and node.kinds and node.group_name == "flights_serving" for node in made
    )


def test_predictions_of_a_day_follow_from_the_champions_up_to_its_month() -> None:
    graph = asset_graph()
    predictions, champion = dg.AssetKey(["flights", "delay_predictions"]), dg.AssetKey(["flights", "delay_champion"])
    mapping = graph.get_partition_mapping(predictions, champion)
    day = graph.get(predictions).partitions_def.subset_with_partition_keys(["2013-12-15"])
    months = mapping.get_upstream_mapped_partitions_result_for_partitions(
        day, graph.get(predictions).partitions_def, graph.get(champion).partitions_def
    )
    assert list(months.partitions_subset.get_partition_keys()) == ["2013-10-01", "2013-11-01", "2013-12-01"]


def test_a_contract_that_does_not_exist_is_told() -> None:
    wrong = deployment()
    wrong.predictions.contract = "contract:Nothing"
    with pytest.raises(DefinitionError, match=r"contract\.py has nothing of that name"):
        build_deployment(wrong, load_use_case(FOLDER))
