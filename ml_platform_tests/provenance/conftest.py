"""The toy platform, built."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ml_platform_tests.places import local_settings
from ml_platform_tests.provenance.carded import carded, published  # noqa: F401
from ml_platform_tests.provenance.scenario import World
from ml_platform_tests.tracking.conftest import empty_store  # noqa: F401


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything built once; only for tests that change nothing."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(local_settings(tmp_path_factory.mktemp("built")), instance).build()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Everything built, for a test that changes some of it."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(local_settings(tmp_path), instance).build()
