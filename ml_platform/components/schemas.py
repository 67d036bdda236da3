"""JSON Schema of the YAML files of a use case, by which editors complete, explain and check what is written.

Belongs here: the schema of a file. Does not: checking (`yaml_check`), which knows more than a schema can say.
"""

from typing import Any, Literal, get_args

from ml_platform.components.use_case import UseCase
from ml_platform.components.yaml_check import component_model
from ml_platform.errors import DefinitionError

File = Literal["use_case", "data", "training", "serving"]
FILES: tuple[File, ...] = get_args(File)
COMPONENTS = {
    "data": "ml_platform.data.component.DataPipeline",
    "training": "ml_platform.training.component.TrainingPipeline",
    "serving": "ml_platform.serving.component.Deployment",
}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(file: str) -> dict[str, Any]:
    """The schema of `use_case.yaml`, or of the `defs.yaml` of a location.

    Raises:
        DefinitionError: there is no such file.
    """
    if file == "use_case":
        return {"$schema": _DIALECT, **UseCase.model_json_schema()}
    if file not in COMPONENTS:
        raise DefinitionError(f"A use case has no file '{file}'", expected=", ".join(FILES), got=f"'{file}'")
    model = component_model(COMPONENTS[file])
    assert model is not None  # it is one of the platform's own
    attributes = model.model_json_schema()
    return {
        "$schema": _DIALECT,
        "type": "object",
        "properties": {
            "type": {"const": COMPONENTS[file], "description": "The component that the file fills in."},
            "attributes": {name: part for name, part in attributes.items() if name != "$defs"},
        },
        "required": ["type", "attributes"],
        "$defs": attributes.get("$defs", {}),
    }
