"""The store that the tests of tracking share."""

from pathlib import Path

import pytest

from ml_platform.tracking.resource import MlflowTracking
from ml_platform_tests.tracking.scenario import copy_store, tracking_in


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a store with its schema and nothing in it."""
    folder = tmp_path_factory.mktemp("store")
    assert tracking_in(folder).registry.versions("nothing") == []
    return folder


@pytest.fixture
def tracking(empty_store: Path, tmp_path: Path) -> MlflowTracking:
    """Tracking on a fresh store."""
    return copy_store(empty_store, tmp_path)
