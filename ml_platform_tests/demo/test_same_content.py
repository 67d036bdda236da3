"""The same flights on local files and on S3 make the same tables, told by one hash for each."""

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest
import yaml

from ml_platform.components.use_case import load_use_case
from ml_platform.data.component import DataPipeline
from ml_platform.data.pipeline import build_pipeline
from ml_platform.demo.summary import Summary, collect, differences, read_summary
from ml_platform.errors import SettingsError
from ml_platform.local_servers.object_server import ObjectServer
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.data.landing_zone import land_days
from ml_platform_tests.places import local_settings, s3_settings

FLIGHTS = PROJECT_ROOT / "ml_platform" / "use_cases" / "flights"
DAYS = [dt.date(2013, 3, 5), dt.date(2013, 3, 6)]
RANGE = {"dagster/asset_partition_range_start": str(DAYS[0]), "dagster/asset_partition_range_end": str(DAYS[-1])}


def built(settings: Settings) -> Summary:
    """The summary after the data pipeline has run over two days of flights."""
    land_days(StorageLocation.of(settings).landing(), DAYS)
    pipeline = DataPipeline.model_validate(yaml.safe_load((FLIGHTS / "data" / "defs.yaml").read_text())["attributes"])
    use_case = load_use_case(FLIGHTS).model_copy(update={"first_day": DAYS[0]})
    resources = dg.Definitions(resources=storage_resources(settings), executor=dg.in_process_executor)
    definitions = dg.Definitions.merge(build_pipeline(pipeline, use_case), resources)
    with dg.DagsterInstance.ephemeral() as instance:
        definitions.resolve_job_def("refresh_flights_references").execute_in_process(instance=instance)
        definitions.resolve_job_def("build_flights_days").execute_in_process(instance=instance, tags=RANGE)
    return collect(settings)


def test_both_stores_hold_the_same_tables(tmp_path: Path, s3: ObjectServer) -> None:
    local, remote = built(local_settings(tmp_path / "local")), built(s3_settings(tmp_path / "s3", s3))
    assert len(local.contents) > 15
    assert differences(local, remote) == ()
    assert not (tmp_path / "s3").exists()


def test_another_row_is_another_content(tmp_path: Path) -> None:
    settings = local_settings(tmp_path)
    before = built(settings)
    tables = StorageLocation.of(settings).tables()
    frame = tables.scan("flights/delay_labels", partitions=[str(DAYS[0])]).collect()
    tables.publish("flights/delay_labels", frame.head(-1), [str(DAYS[0])], key="service_date")
    (difference,) = differences(collect(settings), before)
    assert difference.what == "table flights/delay_labels"
    assert difference.found != difference.wanted


def test_a_saved_summary_is_the_summary(tmp_path: Path) -> None:
    summary, path = collect(local_settings(tmp_path)), tmp_path / "saved.json"
    path.write_text(summary.model_dump_json())
    assert read_summary(path) == summary


def test_what_is_no_summary_is_told(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    for name in ("other.json", "missing.json"):
        with pytest.raises(SettingsError, match="summary --json"):
            read_summary(tmp_path / name)
