from dataclasses import dataclass
from pathlib import Path

import pytest

from ml_platform.errors import StorageAccessError, StorageError
from ml_platform.local_servers.object_server import ObjectServer
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.probe import require_storage, require_store
from ml_platform_tests.places import READER, local_settings, s3_settings


def test_a_store_that_works_is_left_as_it_was(anywhere: Settings) -> None:
    require_storage(anywhere)
    location = StorageLocation.of(anywhere)
    assert location.landing().list() == location.artifacts().list() == []


def test_credentials_that_may_only_read_are_told_before_anything_is_done(tmp_path: Path, s3: ObjectServer) -> None:
    with pytest.raises(StorageAccessError, match="ML_PLATFORM_S3_ACCESS_KEY_ID"):
        require_storage(s3_settings(tmp_path, s3, READER))


def test_a_store_that_ignores_conditions_is_refused(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Careless(ObjectStore):
        """A store as some servers are: what is to be created is overwritten."""

        def create_exclusive(self, path: str, data: bytes) -> bool:
            self.write(path, data)
            return True

    with pytest.raises(StorageError, match="does not keep one writer from overwriting another"):
        require_store(Careless(local_settings(tmp_path).artifact_uri))
