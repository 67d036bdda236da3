"""A YAML file held against a pydantic model: every problem with line, field, value and what is allowed.

Belongs here: how such a file is read and its problems are told. Does not: which files and models there are.
"""

import typing
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from dagster_shared.yaml_utils import parse_yamls_with_source_position
from dagster_shared.yaml_utils.source_position import SourcePositionTree, ValueAndSourcePositionTree
from pydantic import BaseModel, ValidationError

from ml_platform.errors import DefinitionError

Model = TypeVar("Model", bound=BaseModel)


def load_typed(path: Path, name: str, model: type[Model]) -> Model:
    """What the one document of the file says; an empty file is one that leaves out every field.

    Raises:
        DefinitionError: it is no YAML, or its fields are not as declared. The file is called `name`.
    """
    documents = documents_of(path, name)
    value = (documents[0].value if documents else None) or {}
    try:
        return model.model_validate(value)
    except ValidationError as error:
        positions = documents[0].source_position_tree
        require_none([told(name, positions, model, detail) for detail in error.errors()], name)
        raise


def documents_of(path: Path, name: str) -> list[ValueAndSourcePositionTree]:
    """The documents of the file with the places of all that is in them.

    Raises:
        DefinitionError: it cannot be read, or it is no YAML.
    """
    try:
        return list(parse_yamls_with_source_position(path.read_text(), name))
    except OSError as error:
        raise DefinitionError(f"{name} cannot be read.", expected=f"a YAML file at {path}", got=str(error)) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}, column {mark.column + 1}" if mark else name
        raise DefinitionError(
            f"{where}: this is not YAML: {error.problem}", remedy="Look at the indentation and quotes there"
        ) from error


def require_none(problems: Sequence[str], name: str) -> None:
    """Pass if there are no problems with the file that is called `name`.

    Raises:
        DefinitionError: there are; all of them are told.
    """
    if problems:
        count = "1 field is" if len(problems) == 1 else f"{len(problems)} fields are"
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise DefinitionError(
            f"{name} cannot be loaded; {count} wrong:{listed}", remedy="Correct the file; nothing else was changed"
        )


def told(
    name: str, positions: SourcePositionTree, model: type[BaseModel], detail: Any, *, below: Sequence[str] = ()
) -> str:
    """One problem that pydantic found in what stands `below` in the file, as a line for its author."""
    path = _in_file(positions, [*below, *detail["loc"]])
    where = f"{name}:{line_of(positions, path)}, {dotted(path[len(below) :])}"
    location = detail["loc"]
    match detail["type"]:
        case "extra_forbidden":
            allowed = list(_model_at(model, location[:-1]).model_fields)
            return f"{where}: no such field{near(str(location[-1]), allowed)}; allowed are {', '.join(allowed)}"
        case "missing":
            field = _model_at(model, location[:-1]).model_fields.get(str(location[-1]))
            return f"{where}: this field is required: {field.description if field else ''}"
        case "is_instance_of" if detail["ctx"]["class"] == "Sequence":
            return f"{where}: input should be a list; got {detail['input']!r}"
    return f"{where}: {detail['msg'][:1].lower()}{detail['msg'][1:]}; got {detail['input']!r}"


def line_of(positions: SourcePositionTree, path: Sequence[str | int]) -> int:
    """Line of the deepest part of `path` that the file has."""
    tree = positions
    for part in path:
        if part not in tree.children:
            break
        tree = tree.children[part]
    return tree.position.start.line


def dotted(location: Sequence[str | int]) -> str:
    """A place in the file as its author would write it: `landed[0].contract`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def near(word: str, allowed: Sequence[str]) -> str:
    """The suggestion that follows a misspelt word; empty if nothing is like it."""
    close = get_close_matches(word, allowed, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field's type consists of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


def _in_file(positions: SourcePositionTree, location: Sequence[str | int]) -> list[str | int]:
    """`location` without the names that pydantic gives to the members of a union."""
    tree, path = positions, list[str | int]()
    for number, part in enumerate(location):
        if part in tree.children:
            tree = tree.children[part]
        elif number < len(location) - 1:
            continue
        path.append(part)
    return path


def _model_at(model: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel]:
    """The model of the object at `location` inside `model`; the last one found where the path leaves models."""
    candidates = [model]
    for part in location:
        field = candidates[0].model_fields.get(str(part)) if isinstance(part, str) else None
        if field is not None:
            candidates = list(models_in(field.annotation)) or candidates
        elif isinstance(part, str):
            candidates = [each for each in candidates if _is_member(each, part)] or candidates
    return candidates[0]


def _is_member(model: type[BaseModel], tag: str) -> bool:
    """Whether this model of a union is the one of that tag."""
    return any(tag in typing.get_args(field.annotation) for field in model.model_fields.values())
