"""What a defs.yaml declares, read as plain values: for whoever asks one question of it and builds no definition.

Belongs here: which components a file has. Does not: whether their fields are right (`yaml_check`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_platform.errors import DefinitionError
from ml_platform.typed_yaml import documents_of


def declared(use_case: Path, location: str, kind: str) -> list[Mapping[str, Any]]:
    """The attributes of each component of this kind in the use case's `<location>/defs.yaml`; none without the file.

    Raises:
        DefinitionError: the file is no YAML, or a component in it has no attributes.
    """
    path, name = use_case / location / "defs.yaml", f"use_cases/{use_case.name}/{location}/defs.yaml"
    values = [document.value for document in documents_of(path, name)] if path.is_file() else []
    found = [value.get("attributes") for value in values if isinstance(value, dict) and value.get("type") == kind]
    if not all(isinstance(each, dict) for each in found):
        raise DefinitionError(f"{name} has a {kind} without attributes", remedy="`make check` says what they are")
    return [each for each in found if isinstance(each, dict)]
