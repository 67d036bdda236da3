"""The three assets in real Dagster runs, on real tables and a real MLflow store."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import dagster as dg
import pytest

from ml_platform.errors import DefinitionError
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.registry import ModelRegistry
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.training.config import ModelConfig
from ml_platform.training.pipeline import build_pipeline
from ml_platform.training.records import ModelEvaluation, ModelVersion, TrainedModel
from ml_platform.training.training_run import training_code
from ml_platform_tests.training.scenario import departures, publish, toy_model, toy_use_case


class World(NamedTuple):
    """Published tables, an instance and an MLflow store, and the first run in them."""

    settings: Settings
    instance: dg.DagsterInstance
    march: dg.ExecuteInProcessResult

    @property
    def registry(self) -> ModelRegistry:
        return MlflowTracking.from_settings(self.settings).registry

    def record(self, asset: str, month: str) -> str:
        path = f"records/toy/{asset}/{month}.json"
        return StorageLocation.of(self.settings).artifacts().read(path).decode()


def train(
    settings: Settings, instance: dg.DagsterInstance, month: str, config: ModelConfig
) -> dg.ExecuteInProcessResult:
    resources = {**storage_resources(settings), "tracking": MlflowTracking.from_settings(settings)}
    definitions = dg.Definitions.merge(build_pipeline([config], toy_use_case()), dg.Definitions(resources=resources))
    job = definitions.resolve_job_def("train_toy_delay")
    return job.execute_in_process(partition_key=month, instance=instance)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    publish(TableStore.from_settings(settings), departures(days=100, each_day=40))
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(settings, instance, train(settings, instance, "2013-03-01", toy_model()))


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def data_versions(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    events = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    return {event.asset_key.path[-1]: event.tags["dagster/data_version"] for event in events if event.tags}


def told(result: dg.ExecuteInProcessResult) -> Mapping[str, dg.MetadataValue]:  # type: ignore[type-arg]
    """Metadata of the model."""
    events = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    return next(event.metadata for event in events if event.asset_key.path[-1] == "delay_model")


def test_a_version_carries_its_snapshot_and_what_it_is_made_from(world: World) -> None:
    model = TrainedModel.model_validate_json(world.record("delay_model", "2013-03-01"))
    assert world.registry.get("toy_delay", 1).snapshot == model.snapshot == {"toy/features": 0, "toy/labels": 0}
    assert model.origin is not None
    assert model.origin.config.model_dump(mode="json") == toy_model().model_dump(mode="json")
    assert model.origin.dagster_run_id == world.march.run_id
    assert set(model.origin.packages) <= model.origin.environment.packages.keys()
    assert told(world.march)["read_versions"].value == model.snapshot


def test_code_versions_follow_from_the_code(world: World) -> None:
    (model, evaluation, version) = (
        world.march.job_def.asset_layer.get(dg.AssetKey(["toy", f"delay_{name}"])).code_version
        for name in ("model", "evaluation", "model_version")
    )
    assert model == training_code().fingerprint[:16]
    assert len({model, evaluation, version, None}) == 4


def test_a_month_is_trained_evaluated_and_registered(world: World) -> None:
    model = TrainedModel.model_validate_json(world.record("delay_model", "2013-03-01"))
    report = ModelEvaluation.model_validate_json(world.record("delay_evaluation", "2013-03-01"))
    version = ModelVersion.model_validate_json(world.record("delay_model_version", "2013-03-01"))
    assert model.sha256 == report.model_sha256 == version.sha256
    assert [(trial.number, trial.iterations) for trial in model.trials[:3]] == [(0, 3), (1, 3), (2, 3)]
    assert [trial.iterations for trial in model.trials[3:]] == [6, 6]
    assert report.test is not None
    assert (report.holdout.days, report.test.days) == (13, 31)


def test_every_check_of_the_gate_is_recorded(world: World) -> None:
    assert checks(world.march) == {
        "model_beats_baselines": True,
        "saved_model_loads_and_scores": True,
        "challenger_is_not_worse_than_champion": True,
        "challenger_is_not_worse_on_any_slice": True,
        "is_not_degraded": True,
    }


def test_the_registered_version_is_an_approved_challenger(world: World) -> None:
    version = world.registry.get("toy_delay", 1)
    assert (version.gate, version.as_of, version.aliases) == ("approved", dt.date(2013, 3, 1), ("challenger",))


def test_a_rerun_fits_nothing_and_gives_the_same_versions(world: World) -> None:
    again = train(world.settings, world.instance, "2013-03-01", toy_model())
    assert not [event for event in again.all_events if "trial" in (event.step_key or "")]
    assert data_versions(again) == data_versions(world.march)
    assert len(set(data_versions(again).values())) == 3
    assert told(again)["reused"].value is True
    assert told(again)["reused_from"].value == world.march.run_id
    assert told(world.march)["reused"].value is False
    counted = ("resumed_from_iteration", "trials_found_again", "trials_run")
    assert [told(world.march)[name].value for name in counted] == [0, 0, 5]
    assert len(world.registry.versions("toy_delay")) == 1


def test_a_worse_challenger_is_refused_and_the_champion_stays(world: World) -> None:
    world.registry.promote("toy_delay", 1, "the first")
    hasty = toy_model(iterations=1, parameters={"learning_rate": 0.01}, gate={"tolerance": 0.0})
    result = train(world.settings, world.instance, "2013-04-01", hasty.model_copy(update={"search": no_search()}))
    version = ModelVersion.model_validate_json(world.record("delay_model_version", "2013-04-01"))
    assert checks(result)["challenger_is_not_worse_than_champion"] is False
    assert (version.decision.approved, version.champion_version) == (False, 1)
    assert world.registry.get("toy_delay", version.version).gate == "refused"
    assert world.registry.champion("toy_delay").version == 1  # type: ignore[union-attr]


def no_search() -> object:
    return toy_model(search={"trials": 1, "rungs": [{"iterations": 1, "keep": 1}]}).search


def test_a_parameter_that_does_not_exist_is_refused_when_definitions_load() -> None:
    with pytest.raises(DefinitionError, match="no parameter 'leaves'"):
        build_pipeline([toy_model(parameters={"leaves": 4})], toy_use_case())
