"""What the use cases' `serving/defs.yaml` say of a registered model, read without building any definition.

Belongs here: where a model is deployed. Does not: checking the YAML (`components.yaml_check`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ml_platform.components.references import USE_CASES

_COMPONENT = "ml_platform.serving.component.Deployment"


class Deployed(NamedTuple):
    """One deployment of a registered model; assets by their keys, joined by slashes."""

    registered_model: str
    champion_asset: str
    predictions_asset: str
    requires_approval: bool


def deployments(use_cases: Path = USE_CASES) -> list[Deployed]:
    """Every deployment of every use case, in the order of their folders."""
    return [each for path in sorted(use_cases.glob("*/serving/defs.yaml")) for each in _of_file(path)]


def deployments_of(model: str, use_cases: Path = USE_CASES) -> list[Deployed]:
    """The deployments of one registered model."""
    return [each for each in deployments(use_cases) if each.registered_model == model]


def _of_file(path: Path) -> Iterator[Deployed]:
    use_case = path.parents[1].name
    for document in yaml.safe_load_all(path.read_text()):
        if document.get("type") == _COMPONENT:
            attributes: dict[str, Any] = document["attributes"]
            champion, predictions = attributes["champion"], attributes["predictions"]
            yield Deployed(
                champion["registered_model"],
                f"{use_case}/{champion['name']}",
                f"{use_case}/{predictions['name']}",
                bool(champion.get("requires_approval", False)),
            )
