"""What a name in a defs.yaml means, found without Dagster.

Belongs here: where use cases are, and the object behind `module:name`. Does not: what a use case is (`use_case`).
"""

import importlib
import traceback
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from ml_platform.errors import DefinitionError, PlatformError
from ml_platform.settings import PROJECT_ROOT, environment_settings

USE_CASES_PACKAGE = "ml_platform.use_cases"
FILE_NAME = "use_case.yaml"
USE_CASES = PROJECT_ROOT / "ml_platform" / "use_cases"
"""The use cases that come with the platform."""


def use_cases_folder() -> Path:
    """The folder that has a folder for each use case: `USE_CASES` unless settings name another."""
    return environment_settings().use_cases.resolve()


def use_case_folders(root: Path | None = None) -> list[Path]:
    """The folder of each use case, by name."""
    return [path.parent for path in sorted((root or use_cases_folder()).glob(f"*/{FILE_NAME}"))]


def make_importable() -> None:
    """Have modules of the use cases found in the folder that settings name, as `ml_platform.use_cases.NAME.module`."""
    package, folder = importlib.import_module(USE_CASES_PACKAGE), str(use_cases_folder())
    if folder not in package.__path__:
        package.__path__.insert(0, folder)


def resolve(use_case: str, reference: str) -> Any:
    """The object that `module:name` in a defs.yaml of `use_case` means; modules are those of its own folder.

    Raises:
        DefinitionError: no such module, one that cannot be imported, or nothing of that name in it.
    """
    module_name, separator, attribute = reference.partition(":")
    if not separator:
        raise DefinitionError(
            f"'{reference}' in use case '{use_case}' does not name a function or a contract.",
            expected="module:name, as in features:delay_features",
            got=f"'{reference}'",
        )
    module = _imported(use_case, module_name, reference)
    if not hasattr(module, attribute):
        public = sorted(name for name in vars(module) if not name.startswith("_"))
        close = get_close_matches(attribute, public, n=1)
        raise DefinitionError(
            f"'{reference}' in use case '{use_case}': {module_name}.py has nothing of that name.",
            expected=f"one of {', '.join(public)}",
            got=f"'{attribute}'" + (f" (did you mean {close[0]}?)" if close else ""),
        )
    return getattr(module, attribute)


def _imported(use_case: str, module_name: str, reference: str) -> ModuleType:
    full_name = f"{USE_CASES_PACKAGE}.{use_case}.{module_name}"
    make_importable()
    try:
        return importlib.import_module(full_name)
    except PlatformError:
        raise
    except ModuleNotFoundError as error:
        if error.name not in (full_name, full_name.rpartition(".")[0]):
            raise _not_importable(use_case, module_name, reference, error) from error
        raise DefinitionError(
            f"'{reference}' in use case '{use_case}': there is no module {module_name}.py in its folder.",
            remedy=f"Create use_cases/{use_case}/{module_name}.py, or correct the name in defs.yaml.",
        ) from error
    except Exception as error:  # a module of a use case may raise anything while it is imported
        raise _not_importable(use_case, module_name, reference, error) from error


def _not_importable(use_case: str, module_name: str, reference: str, error: Exception) -> DefinitionError:
    """What was raised, and the last line of the use case that led to it."""
    marker = f"/{use_case}/"
    frames = [(each.filename, each.lineno) for each in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
    own = [(Path(file).name, line) for file, line in frames if marker in file]
    file, line = own[-1] if own else (f"{module_name}.py", None)
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return DefinitionError(
        f"use_cases/{use_case}/{file}{f':{line}' if line else ''}: importing it for '{reference}' fails: "
        f"{type(error).__name__}: {said}",
        remedy="Correct the module; `make check` imports it too",
    )
