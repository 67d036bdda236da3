"""What the use cases' `serving/defs.yaml` say of a registered model, read without building any definition.

Belongs here: where a model is deployed. Does not: checking the YAML (`components.yaml_check`).
"""

from pathlib import Path
from typing import NamedTuple

from ml_platform.components.declared import declared
from ml_platform.components.references import use_cases_folder
from ml_platform.components.sound import each_of
from ml_platform.errors import DefinitionError

_COMPONENT = "ml_platform.serving.component.Deployment"


class Deployed(NamedTuple):
    """One deployment of a registered model; assets by their keys, joined by slashes."""

    registered_model: str
    champion_asset: str
    predictions_asset: str
    requires_approval: bool


def deployments(use_cases: Path | None = None) -> list[Deployed]:
    """Every deployment of every sound use case, in the order of their folders."""
    folders = [path.parents[1] for path in sorted((use_cases or use_cases_folder()).glob("*/serving/defs.yaml"))]
    found = each_of(folders, _of_use_case, "what is deployed", strict=False)
    return [each for deployed in found.sound for each in deployed]


def deployments_of(model: str, use_cases: Path | None = None) -> list[Deployed]:
    """The deployments of one registered model."""
    return [each for each in deployments(use_cases) if each.registered_model == model]


def _of_use_case(folder: Path) -> list[Deployed]:
    try:
        return [
            Deployed(
                attributes["champion"]["registered_model"],
                f"{folder.name}/{attributes['champion']['name']}",
                f"{folder.name}/{attributes['predictions']['name']}",
                bool(attributes["champion"].get("requires_approval", False)),
            )
            for attributes in declared(folder, "serving", _COMPONENT)
        ]
    except KeyError as error:
        raise DefinitionError(
            f"use_cases/{folder.name}/serving/defs.yaml lacks {error}", remedy="`make check` says where"
        ) from error
