"""A defs.yaml held against its component before Dagster loads it: every problem with line, field and remedy."""

import importlib
import typing
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from dagster_shared.yaml_utils import parse_yamls_with_source_position
from dagster_shared.yaml_utils.source_position import SourcePositionTree, ValueAndSourcePositionTree
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from ml_platform.errors import DefinitionError

FILL_IN = "<fill in>"


def require_valid(path: Path, name: str) -> None:
    """Pass if the file is YAML, and each of its documents fills in the fields of a component as they are declared.

    Raises:
        DefinitionError: it is not; told are line, field, value and what is allowed. The file is called `name`.
    """
    try:
        documents = list(parse_yamls_with_source_position(path.read_text(), name))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}, column {mark.column + 1}" if mark else name
        raise DefinitionError(
            f"{where}: this is not YAML: {error.problem}", remedy="Look at the indentation and quotes there"
        ) from error
    problems = [problem for document in documents for problem in _problems(document, name)]
    if not documents:
        problems = [f"{name}:1: the file is empty; it starts with `type: <module>.<Component>`"]
    if problems:
        count = "1 field is" if len(problems) == 1 else f"{len(problems)} fields are"
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise DefinitionError(
            f"{name} cannot be loaded; {count} wrong:{listed}", remedy="Correct the file; nothing else was changed"
        )


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
        near = _near(kind, _known_components())
        yield f"{name}:{_line(positions, ['type'])}, type: there is no component '{kind}'{near}"
        return
    try:
        model.model_validate(value.get("attributes") or {})
    except ValidationError as error:
        for detail in error.errors():
            if "{{" in str(detail["input"]) or detail["input"] == FILL_IN:
                continue  # a template, which Dagster fills in before it looks at the type; or told already
            yield _told(name, positions, model, detail)


def _not_filled_in(positions: SourcePositionTree, value: Any, path: list[str | int], name: str) -> Iterator[str]:
    if value == FILL_IN:
        yield f"{name}:{_line(positions, path)}, {_dotted(path[1:])}: still to be filled in"
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _not_filled_in(positions, part, [*path, key], name)


def _told(name: str, positions: SourcePositionTree, model: type[BaseModel], detail: Any) -> str:
    location = list(detail["loc"])
    where = f"{name}:{_line(positions, ['attributes', *location])}, {_dotted(location)}"
    match detail["type"]:
        case "extra_forbidden":
            allowed = list(_model_at(model, location[:-1]).model_fields)
            return f"{where}: no such field{_near(str(location[-1]), allowed)}; allowed are {', '.join(allowed)}"
        case "missing":
            field = _model_at(model, location[:-1]).model_fields.get(str(location[-1]))
            return f"{where}: this field is required: {field.description if field else ''}"
    return f"{where}: {detail['msg'][:1].lower()}{detail['msg'][1:]}; got {detail['input']!r}"


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


def _model_at(model: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel]:
    """The model of the object at `location` inside `model`; the last one found where the path leaves models."""
    for part in location:
        field = model.model_fields.get(str(part)) if isinstance(part, str) else None
        if field is not None:
            model = next(models_in(field.annotation), model)
    return model


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field's type consists of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


def _line(positions: SourcePositionTree, path: Sequence[str | int]) -> int:
    """Line of the deepest part of `path` that the file has."""
    tree = positions
    for part in path:
        if part not in tree.children:
            break
        tree = tree.children[part]
    return tree.position.start.line


def _dotted(location: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _near(word: str, allowed: Sequence[str]) -> str:
    close = get_close_matches(word, allowed, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
