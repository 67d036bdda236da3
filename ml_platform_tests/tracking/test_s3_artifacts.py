"""Artifacts of MLflow on S3, with credentials that are in the settings and in no environment."""

import os
from pathlib import Path

import pytest

from ml_platform.local_servers.object_server import ObjectServer
from ml_platform.storage.location import StorageLocation
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.tracking.runs import RunKey
from ml_platform_tests.places import s3_settings


def test_two_stores_of_one_process_keep_artifacts_with_their_own_credentials(
    tmp_path: Path, s3: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_S3", "ML_PLATFORM_S3"))]:
        monkeypatch.delenv(name)
    environment = dict(os.environ)
    places = [s3_settings(tmp_path, s3), s3_settings(tmp_path, s3)]
    for number, settings in enumerate(places):
        tracking = MlflowTracking.from_settings(settings)
        key = RunKey(asset="toy/model", partition=str(number), run_id="r", root_run_id="r")
        run_id = tracking.open_run(key, experiment=f"toy {number}", run_name="one")
        tracking.record(run_id, artifacts={"note.json": {"number": number}})
        found = [each.path for each in StorageLocation.of(settings).artifacts().list("mlflow")]
        assert found == [f"mlflow/toy {number}/{run_id}/artifacts/note.json"]
    assert not {name for name in set(os.environ) - set(environment) if name.startswith(("AWS_", "MLFLOW_S3"))}
