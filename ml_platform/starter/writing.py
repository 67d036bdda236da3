"""The folder of a new use case, written whole or not at all.

Belongs here: which files there are, and where. Does not: what stands in them (`code`, `declarations`).
"""

import keyword
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_platform.components.references import FILE_NAME
from ml_platform.components.scaffold import filled_in
from ml_platform.components.schemas import COMPONENTS
from ml_platform.components.use_case import UseCase
from ml_platform.components.yaml_check import component_model
from ml_platform.errors import DefinitionError
from ml_platform.starter import code, declarations
from ml_platform.starter.plan import NOTHING, Plan

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def require_new(name: str, folder: Path) -> None:
    """Pass if a use case of that name can be written below `folder`.

    Raises:
        DefinitionError: the name is none that a Python package can have, or is taken.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise DefinitionError(
            f"'{name}' cannot be the name of a use case",
            expected="letters a to z, digits and '_', a letter first, and no word of Python's own, as in bike_demand",
            kept=NOTHING,
        )
    if (folder / name).exists():
        raise DefinitionError(
            f"{folder / name} is there already", kept=NOTHING, remedy="Choose another name, or remove the folder"
        )


def write(plan: Plan, folder: Path) -> Path:
    """The folder of the use case, with all of its files.

    Raises:
        DefinitionError: the name cannot be used.
    """
    require_new(plan.name, folder)
    files = files_of(plan)
    for path, text in files.items():
        target = folder / plan.name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder / plan.name


def files_of(plan: Plan) -> dict[str, str]:
    """The text of each file by its path in the folder."""
    use_case = "\n".join(filled_in(UseCase, declarations.use_case_values(plan)))
    values = {
        "data": declarations.data_values(plan),
        "training": declarations.training_values(plan),
        "serving": declarations.serving_values(plan),
    }
    return {
        "__init__.py": f'"""The use case {plan.name}: contracts and pure functions, no Dagster, no I/O."""\n',
        FILE_NAME: use_case + "\n",
        "contract.py": code.contract_py(plan),
        "cleaning.py": code.cleaning_py(plan),
        "features.py": code.features_py(plan),
        **{f"{location}/defs.yaml": _defs(COMPONENTS[location], each) for location, each in values.items()},
    }


def _defs(component: str, values: Mapping[str, Any]) -> str:
    model = component_model(component)
    assert model is not None  # it is one of the platform's own
    return "\n".join([f"type: {component}", "", "attributes:", *filled_in(model, values, "  ")]) + "\n"
