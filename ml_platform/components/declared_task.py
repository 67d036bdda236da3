"""What kind of outcome a registered model predicts, as the use case's `training/defs.yaml` declares it.

Belongs here: the one thing that serving has to know of it. Does not: reading the rest, which `training` does.
"""

from pathlib import Path

from ml_platform.components.declared import declared
from ml_platform.components.references import FILE_NAME
from ml_platform.errors import DefinitionError
from ml_platform.evaluation.task import BINARY, Task


def declared_task(folder: Path, registered_model: str) -> Task:
    """The task of the model, by the `training/defs.yaml` of the use case that `folder` belongs to.

    Raises:
        DefinitionError: no model of that name is declared there.
    """
    use_case = next(each for each in (folder, *folder.parents) if (each / FILE_NAME).is_file())
    pipelines = declared(use_case, "training", "ml_platform.training.component.TrainingPipeline")
    models = [model for each in pipelines for model in each.get("models") or () if isinstance(model, dict)]
    tasks = {model.get("registered_as"): model.get("task") for model in models}
    if registered_model not in tasks:
        folder_name = f"use_cases/{use_case.name}"
        raise DefinitionError(
            f"{folder_name}/serving/defs.yaml deploys '{registered_model}', which no model is registered as.",
            expected=f"one of {', '.join(map(str, tasks)) or 'none: there is no training/defs.yaml'}",
            remedy=f"Correct champion.registered_model, or registered_as in {folder_name}/training/defs.yaml.",
        )
    task = tasks[registered_model]
    return Task.model_validate(task) if task else BINARY
