"""The world that the tests of serving share."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ml_platform_tests.serving.scenario import World
from ml_platform_tests.tracking.conftest import empty_store  # noqa: F401
from ml_platform_tests.tracking.scenario import copy_store


@pytest.fixture
def world(empty_store: Path, tmp_path: Path) -> Iterator[World]:  # noqa: F811
    """Empty tables, artifacts and registry."""
    copy_store(empty_store, tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(tmp_path, instance)
