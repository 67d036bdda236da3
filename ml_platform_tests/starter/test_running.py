"""A use case that was just written, run on the file that it was written from."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform.components.locations import build_use_cases
from ml_platform.components.references import resolve
from ml_platform.demo.landing import land_objects
from ml_platform.lineage.code import reached_code
from ml_platform.provenance.catalog import each_catalog
from ml_platform.settings import Settings
from ml_platform.starter.landing import objects_of
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.starter.scenario import begun

pytestmark = pytest.mark.filterwarnings("ignore:.parse_obj_as. is deprecated")  # by Dagster, as it resolves YAML
DAYS = ["2024-01-02", "2024-01-04"]


def test_a_change_of_its_code_is_a_change_wherever_its_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_USE_CASES", str(tmp_path / "use_cases"))
    begun(tmp_path / "use_cases", ["jetty"])
    assert (
        "ml_platform.use_cases.jetty.cleaning:midnight" in reached_code(resolve("jetty", "cleaning:clean")).definitions
    )


def test_it_makes_features_and_labels_of_what_landed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_USE_CASES", str(tmp_path / "use_cases"))
    begun(tmp_path / "use_cases", ["mooring"])
    settings = Settings(home=tmp_path / "home")
    land_objects(settings, objects_of(tmp_path / "crossings.csv", each_catalog(strict=True).sound[0]))
    resources = dg.Definitions(resources=storage_resources(settings), executor=dg.in_process_executor)
    job = dg.Definitions.merge(build_use_cases("data", strict=True), resources).resolve_job_def("build_mooring_days")
    ends = {f"dagster/asset_partition_range_{end}": day for end, day in zip(("start", "end"), DAYS, strict=True)}
    assert job.execute_in_process(instance=dg.DagsterInstance.ephemeral(), tags=ends).success
    tables = StorageLocation.of(settings).tables()
    labels = tables.scan("mooring/labels").sort("date", "ferry").collect()
    assert labels["cancelled"].to_list() == [False, False, False, False, False, True]
    features = tables.scan("mooring/features", partitions=["2024-01-03"]).sort("ferry").collect()
    assert features.select("ferry", "wind_kt").rows() == [("Anna", 2.5), ("Berit", 2.5)]
    assert features.schema["prediction_at"] == pl.Datetime("us", "UTC")
