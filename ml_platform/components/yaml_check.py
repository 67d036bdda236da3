"""A defs.yaml held against its component before Dagster loads it: every problem with line, field and remedy."""

import importlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from dagster_shared.yaml_utils.source_position import SourcePositionTree, ValueAndSourcePositionTree
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from ml_platform.typed_yaml import documents_of, dotted, line_of, near, require_none, told

FILL_IN = "<fill in>"


def require_valid(path: Path, name: str) -> None:
    """Pass if the file is YAML, and each of its documents fills in the fields of a component as they are declared.

    Raises:
        DefinitionError: it is not; told are line, field, value and what is allowed. The file is called `name`.
    """
    documents = documents_of(path, name)
    problems = [problem for document in documents for problem in _problems(document, name)]
    if not documents:
        problems = [f"{name}:1: the file is empty; it starts with `type: <module>.<Component>`"]
    require_none(problems, name)


def _problems(document: ValueAndSourcePositionTree, name: str) -> Iterator[str]:
    value, positions = document.value, document.source_position_tree
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        example = "ml_platform.data.component.DataPipeline"
        yield f"{name}:{positions.position.start.line}: `type` is missing; it names the component, such as {example}"
        return
    yield from _not_filled_in(positions, value, [], name)
    model = component_model(kind)
    if model is None:
        meant = near(kind, _known_components())
        yield f"{name}:{line_of(positions, ['type'])}, type: there is no component '{kind}'{meant}"
        return
    try:
        model.model_validate(value.get("attributes") or {})
    except ValidationError as error:
        for detail in error.errors():
            if "{{" in str(detail["input"]) or detail["input"] == FILL_IN:
                continue  # a template, which Dagster fills in before it looks at the type; or told already
            yield told(name, positions, model, detail, below=["attributes"])


def _not_filled_in(positions: SourcePositionTree, value: Any, path: list[str | int], name: str) -> Iterator[str]:
    if value == FILL_IN:
        yield f"{name}:{line_of(positions, path)}, {dotted(path[1:])}: still to be filled in"
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _not_filled_in(positions, part, [*path, key], name)


@cache
def component_model(kind: str) -> type[BaseModel] | None:
    """The fields of the component that `type:` names; none if there is no such component."""
    module, _, attribute = kind.rpartition(".")
    try:
        component = getattr(importlib.import_module(module), attribute, None)
    except (ModuleNotFoundError, ValueError):
        return None
    if not (isinstance(component, type) and issubclass(component, BaseModel)):
        return None
    fields: dict[str, Any] = {name: (_declared(field), field) for name, field in component.model_fields.items()}
    return create_model(component.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def _declared(field: FieldInfo) -> Any:
    """The type of a field in the YAML, also where it is hidden from Dagster behind a resolver."""
    hidden = (getattr(part, "model_field_type", None) for part in field.metadata)
    return next((found for found in hidden if found is not None), field.annotation)


def _known_components() -> Sequence[str]:
    import dagster as dg

    return [f"{component.__module__}.{component.__name__}" for component in dg.Component.__subclasses__()]
