"""The resources get their credentials from the settings, and nobody else sees them."""

import os
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from ml_platform.local_servers.object_server import ObjectServer
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.places import WRITER, s3_settings


@dg.asset(io_manager_key="tables", required_resource_keys={"artifacts", "landing"})
def numbers(context: dg.AssetExecutionContext) -> pl.DataFrame:
    artifacts: ObjectStore = context.resources.artifacts
    artifacts.write("seen", b"here")
    return pl.DataFrame({"number": [1, 2]})


@dg.asset(io_manager_key="records")
def total(numbers: pl.DataFrame) -> dict[str, int]:
    return {"total": int(numbers["number"].sum())}


@pytest.fixture
def remote(tmp_path: Path, s3: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings made in code, while the environment knows of no server."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "ML_PLATFORM_"))]:
        monkeypatch.delenv(name)
    return s3_settings(tmp_path, s3)


def test_assets_are_materialized_on_s3_with_credentials_that_are_in_the_settings_alone(remote: Settings) -> None:
    with dg.instance_for_test() as instance:
        done = dg.materialize([numbers, total], resources=storage_resources(remote), instance=instance)
    location = StorageLocation.of(remote)
    assert done.success
    assert location.tables().scan("numbers").collect()["number"].to_list() == [1, 2]
    assert b'"total": 3' in location.artifacts().read("records/total/all.json")
    assert location.artifacts().read("seen") == b"here"


def test_dagster_is_told_no_secret(remote: Settings) -> None:
    definitions = dg.Definitions(assets=[numbers, total], resources=storage_resources(remote))
    told = dg.serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))
    shown = told + "".join(repr(resource) for resource in storage_resources(remote).values())
    assert "landing" in shown
    assert WRITER.secret_access_key not in shown
    assert WRITER.access_key_id not in shown
