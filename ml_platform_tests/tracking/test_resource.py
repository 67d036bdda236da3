"""Runs: one for each materialization, whatever runs in parallel, fails or is retried."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
import pytest

from ml_platform.tracking._client import client as connected
from ml_platform.tracking.failures import close_tracking_on_run_failure
from ml_platform.tracking.models import predict_probability
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.tracking.runs import MLFLOW_RUN_TAG, RunKey, TableInput
from ml_platform_tests.tracking.scenario import KEY, fresh_processes, logged, opened, tracking_in
from ml_platform_tests.tracking.test_models import fitted, flights

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SCRIPT = """
import sys
from pathlib import Path
import ml_platform.tracking.failures
print({"mlflow", "sklearn", "skops", "pandas"} & set(sys.modules))
from ml_platform_tests.tracking.scenario import opened, tracking_in
opened(tracking_in(Path(sys.argv[1])))
print("mlflow" in sys.modules)
"""
PNG = b"\x89PNG\r\n\x1a\n"


def client(tracking: MlflowTracking) -> "MlflowClient":
    return connected(tracking.tracking_uri)


def open_in_this_process(folder: Path) -> str:
    return opened(tracking_in(folder))


def test_importing_the_resource_leaves_mlflow_alone_and_its_first_use_is_silent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (done.stdout.split(), done.stderr) == (["set()", "True"], "")
    assert {path.name for path in tmp_path.iterdir()} == {"artifacts", "mlflow"}


def test_four_processes_that_open_first_on_a_new_store_share_one_run(tmp_path: Path) -> None:
    with fresh_processes().Pool(4) as pool:
        run_ids = pool.map(open_in_this_process, [tmp_path] * 4, chunksize=1)
    assert len(set(run_ids)) == 1
    assert len(client(tracking_in(tmp_path)).search_runs(["1"])) == 1


def test_another_partition_has_another_run(tracking: MlflowTracking) -> None:
    assert opened(tracking) != opened(tracking, KEY._replace(partition="it's 'November'"))


def test_a_retry_opens_the_run_of_its_root_again(tracking: MlflowTracking) -> None:
    first = opened(tracking)
    tracking.close_run(first, "FAILED")
    assert opened(tracking, KEY._replace(run_id="retry")) == first
    run = client(tracking).get_run(first)
    assert (run.info.status, run.data.tags["dagster_run_id"]) == ("RUNNING", "retry")


def test_what_is_recorded_can_be_read_back(tracking: MlflowTracking, tmp_path: Path) -> None:
    run_id = opened(tracking)
    curve = {step: 0.5 + step / 1000 for step in range(1, 251)}
    tracking.record(run_id, params={f"p{n}": n for n in range(150)}, metrics={"log_loss": 0.46}, curves={"auc": curve})
    tracking.record(run_id, figures={"calibration": PNG}, artifacts={"report.json": {"rows": 2}, "raw.bin": b"x"})
    run = client(tracking).get_run(run_id)
    assert (len(run.data.params), run.data.metrics["log_loss"], run.data.metrics["auc"]) == (150, 0.46, 0.75)
    assert {point.step: point.value for point in client(tracking).get_metric_history(run_id, "auc")} == curve
    folder = next(tmp_path.glob(f"artifacts/mlflow/flights_delay/{run_id}/artifacts"))
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.*")} == {
        "figures/calibration.png",
        "report.json",
        "raw.bin",
    }


def test_inputs_carry_the_version_and_the_content_that_was_read(tracking: MlflowTracking) -> None:
    import mlflow.data

    table = TableInput("flights/delay_features", 41, "f" * 64, "file:///lake/flights/delay_features")
    run_id = tracking.open_run(KEY, experiment="e", run_name="r", inputs=[table])
    tracking.open_run(KEY, experiment="e", run_name="r", inputs=[table])
    dataset = client(tracking).get_run(run_id).inputs.dataset_inputs
    assert [(each.dataset.name, each.dataset.digest) for each in dataset] == [(table.table, "f" * 36)]
    source = mlflow.data.get_source(dataset[0].dataset)
    assert (source.path, source.delta_table_version) == (table.uri, table.version)


def test_the_logged_model_predicts_what_the_fitted_one_does(
    tracking: MlflowTracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    run_id, model = opened(tracking), fitted()
    uri = logged(tracking, run_id, model)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.tracking_uri)
    loaded = mlflow.pyfunc.load_model(uri)
    frame = flights().drop("is_late")
    assert list(loaded.predict(frame.to_pandas())) == list(predict_probability(model, frame))
    assert client(tracking).get_run(run_id).outputs.model_outputs[0].model_id in uri


@pytest.fixture
def fluent() -> Iterator[None]:
    """What dagster-mlflow sets for the whole process, unset again."""
    yield
    import mlflow

    mlflow.set_tracking_uri(None)


@pytest.mark.usefixtures("fluent")
def test_dagster_mlflow_attaches_to_the_open_run_and_leaves_it_open(tracking: MlflowTracking) -> None:
    @dg.asset
    def model(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        run_id = tracking.open_run(RunKey.of(context, "model"), experiment="e", run_name="r")
        with tracking.stock(context, run_id) as stock:
            stock.log_metric("auc", 0.7)
        return dg.MaterializeResult(metadata={"run_id": run_id})

    result = dg.materialize([model])
    run = client(tracking).get_run(str(result.asset_materializations_for_node("model")[0].metadata["run_id"].value))
    assert (run.data.metrics["auc"], run.info.status) == (0.7, "RUNNING")
    assert len(client(tracking).search_runs([run.info.experiment_id])) == 1


def failing_asset(tracking: MlflowTracking) -> dg.AssetsDefinition:
    @dg.asset
    def model(context: dg.AssetExecutionContext) -> None:
        tracking.open_run(RunKey.of(context, "model"), experiment="e", run_name="r", instance=context.instance)
        raise dg.Failure("the fit failed")

    return model


@pytest.mark.parametrize("sensor_number", [0, 1])
def test_a_failed_or_cancelled_dagster_run_leaves_no_open_mlflow_run(
    tracking: MlflowTracking, sensor_number: int
) -> None:
    with dg.instance_for_test() as instance:
        result = dg.materialize([failing_asset(tracking)], instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        event = next(each for each in result.all_events if each.is_failure and each.is_job_event)
        context = dg.build_run_status_sensor_context("s", event, instance, run)
        close_tracking_on_run_failure(tracking)[sensor_number](context)
    found = client(tracking).get_run(run.tags[MLFLOW_RUN_TAG])
    assert found.info.status == ["FAILED", "KILLED"][sensor_number]


def test_links_lead_both_ways(tracking: MlflowTracking) -> None:
    run_id = opened(tracking)
    assert client(tracking).get_run(run_id).data.tags["dagster_url"] == "http://127.0.0.1:3000/runs/root"
    assert tracking.metadata(run_id)["mlflow_run"].value == f"http://127.0.0.1:5000/#/experiments/1/runs/{run_id}"


def test_frames_need_not_be_polars(tracking: MlflowTracking) -> None:
    from ml_platform.tracking.flavor import Scorer

    frame = flights().drop("is_late")
    scorer = Scorer(fitted())
    assert list(scorer.predict(frame.to_pandas())) == list(scorer.predict(pl.DataFrame(frame)))
