"""Dagster's own commands in the repository: which code they load."""

import pytest
from dagster._cli.workspace.cli_target import WorkspaceOpts, workspace_opts_to_load_target
from dagster._core.workspace.load_target import WorkspaceFileTarget

from ml_platform.settings import PROJECT_ROOT


def test_plain_dagster_dev_loads_the_three_locations_of_workspace_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT_ROOT)
    target = workspace_opts_to_load_target(WorkspaceOpts())
    assert isinstance(target, WorkspaceFileTarget), "a [tool.dg] or [tool.dagster] in pyproject.toml goes first"
    assert {origin.location_name for origin in target.create_origins()} == {"data", "training", "serving", "operations"}
