"""The manifests, as they would be handed to a cluster."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml_platform.settings import PROJECT_ROOT

Manifest = dict[str, Any]
KUBERNETES = PROJECT_ROOT / "deploy" / "kubernetes"


@pytest.fixture(scope="session")
def manifests() -> list[Manifest]:
    """Everything that `kubectl kustomize deploy/kubernetes` renders; no cluster is asked."""
    command = [str(Path(sys.executable).with_name("kubectl")), "kustomize", str(KUBERNETES)]
    rendered = subprocess.run(command, capture_output=True, check=True).stdout
    return list(yaml.safe_load_all(rendered))


@pytest.fixture(scope="session")
def deployments(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The deployments by name."""
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == "Deployment"}
