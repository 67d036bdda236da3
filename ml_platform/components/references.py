"""What a name in a defs.yaml means, found without Dagster.

Belongs here: where use cases are, and the object behind `module:name`. Does not: what a use case is (`use_case`).
"""

import importlib
from typing import Any

from ml_platform.errors import DefinitionError
from ml_platform.settings import PROJECT_ROOT

USE_CASES_PACKAGE = "ml_platform.use_cases"
FILE_NAME = "use_case.yaml"
USE_CASES = PROJECT_ROOT / "ml_platform" / "use_cases"


def resolve(use_case: str, reference: str) -> Any:
    """The object that `module:name` in a defs.yaml of `use_case` means; modules are those of its own folder.

    Raises:
        DefinitionError: no such module, or nothing of that name in it.
    """
    module_name, separator, attribute = reference.partition(":")
    if not separator:
        raise DefinitionError(
            f"'{reference}' in use case '{use_case}' does not name a function or a contract.",
            expected="module:name, as in features:delay_features",
            got=f"'{reference}'",
        )
    full_name = f"{USE_CASES_PACKAGE}.{use_case}.{module_name}"
    try:
        module = importlib.import_module(full_name)
    except ModuleNotFoundError as error:
        if error.name != full_name:
            raise
        raise DefinitionError(
            f"'{reference}' in use case '{use_case}': there is no module {module_name}.py in its folder.",
            remedy=f"Create use_cases/{use_case}/{module_name}.py, or correct the name in defs.yaml.",
        ) from error
    if not hasattr(module, attribute):
        public = sorted(name for name in vars(module) if not name.startswith("_"))
        raise DefinitionError(
            f"'{reference}' in use case '{use_case}': {module_name}.py has nothing of that name.",
            expected=f"one of {', '.join(public)}",
            got=f"'{attribute}'",
        )
    return getattr(module, attribute)
