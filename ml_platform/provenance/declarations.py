"""What the use cases declare now about a registered model: how it is trained, and where it predicts.

Belongs here: finding it in the defs.yaml files. Does not: building assets from them, which the locations do.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ml_platform.components.use_case import FILE_NAME
from ml_platform.serving.component import Deployment
from ml_platform.settings import PROJECT_ROOT
from ml_platform.training.config import ModelConfig

USE_CASES = PROJECT_ROOT / "ml_platform" / "use_cases"


def declared_model(registered_name: str, root: Path = USE_CASES) -> ModelConfig | None:
    """The configuration of the model as it stands; None if nothing declares it any more."""
    models = (model for each in _attributes(root, "training") for model in each.get("models", []))
    found = [model for model in models if model.get("registered_as") == registered_name]
    return ModelConfig.model_validate(found[0]) if found else None


def declared_deployment(registered_name: str, root: Path = USE_CASES) -> Deployment | None:
    """The deployment that predicts with the model; None if there is none."""
    names = (each for each in _attributes(root, "serving"))
    found = [each for each in names if each.get("champion", {}).get("registered_model") == registered_name]
    return Deployment.model_validate(found[0]) if found else None


def _attributes(root: Path, location: str) -> Iterator[dict[str, Any]]:
    for use_case in sorted(root.glob(f"*/{FILE_NAME}")):
        path = use_case.parent / location / "defs.yaml"
        if path.is_file():
            documents = yaml.safe_load_all(path.read_text())
            yield from (each["attributes"] for each in documents if each and "attributes" in each)
