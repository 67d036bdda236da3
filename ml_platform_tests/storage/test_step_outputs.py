"""Steps on other machines read what the steps before them handed over."""

from pathlib import Path

import dagster as dg

from ml_platform.local_servers.object_server import ObjectServer
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.places import local_settings, s3_settings


@dg.op(out=dg.DynamicOut())
def propose() -> list[dg.DynamicOutput[int]]:
    return [dg.DynamicOutput(number, mapping_key=str(number)) for number in (1, 2)]


@dg.op
def double(number: int) -> int:
    return 2 * number


@dg.op
def add(numbers: list[int]) -> int:
    return sum(numbers)


@dg.job
def searched() -> None:
    add(propose().map(double).collect())


def test_every_output_of_every_step_is_an_object_where_the_artifacts_are(tmp_path: Path, s3: ObjectServer) -> None:
    settings = s3_settings(tmp_path, s3)
    resources = {"io_manager": storage_resources(settings)["io_manager"]}
    result = searched.execute_in_process(resources=resources)
    assert result.output_for_node("add") == 6
    stored = StorageLocation.of(settings).artifacts().list(f"steps/{result.run_id}")
    assert len(stored) == 2 + 2 + 1


def test_on_local_files_steps_hand_over_as_dagster_does(tmp_path: Path) -> None:
    assert "io_manager" not in storage_resources(local_settings(tmp_path))
