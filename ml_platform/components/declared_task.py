"""What kind of outcome a registered model predicts, as the use case's `training/defs.yaml` declares it.

Belongs here: the one thing that serving has to know of it. Does not: reading the rest, which `training` does.
"""

from pathlib import Path

import yaml

from ml_platform.components.references import FILE_NAME
from ml_platform.errors import DefinitionError
from ml_platform.evaluation.task import BINARY, Task


def declared_task(folder: Path, registered_model: str) -> Task:
    """The task of the model, by the `training/defs.yaml` of the use case that `folder` belongs to.

    Raises:
        DefinitionError: no model of that name is declared there.
    """
    use_case = next(each for each in (folder, *folder.parents) if (each / FILE_NAME).is_file())
    path = use_case / "training" / "defs.yaml"
    documents = list(yaml.safe_load_all(path.read_text())) if path.is_file() else []
    models = [model for each in documents for model in each.get("attributes", {}).get("models", [])]
    declared = {model.get("registered_as"): model.get("task") for model in models}
    if registered_model not in declared:
        folder_name = f"use_cases/{use_case.name}"
        raise DefinitionError(
            f"{folder_name}/serving/defs.yaml deploys '{registered_model}', which no model is registered as.",
            expected=f"one of {', '.join(map(str, declared)) or 'none: there is no training/defs.yaml'}",
            remedy=f"Correct champion.registered_model, or registered_as in {folder_name}/training/defs.yaml.",
        )
    task = declared[registered_model]
    return Task.model_validate(task) if task else BINARY
