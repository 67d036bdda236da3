"""What `dg scaffold defs` and `ml-platform new` write: fields with their descriptions as comments.

The first has every field, to be filled in; the second those that have a value.

Belongs here: turning a component's fields into YAML to fill in. Does not: checking what was filled in (`yaml_check`).
"""

import datetime as dt
import json
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import dagster as dg
import yaml
from annotated_types import Ge
from dagster.components.scaffold.scaffold import NoParams, ScaffoldRequest
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from ml_platform.components.references import FILE_NAME
from ml_platform.components.yaml_check import FILL_IN, component_model
from ml_platform.errors import DefinitionError
from ml_platform.typed_yaml import models_in

DEFS_HEADER = f"# Fill in every {FILL_IN}, and delete what is not needed. Fields behind a # show their defaults.\n"
USE_CASE = """\
# What the three pipelines of this use case agree on.
name: {name}
description: What is predicted, of what, and as seen when?
owners: ["team:{name}"]  # or e-mail addresses
timezone: UTC  # in which a day and a month begin
first_day: {year}-01-01  # the first day that the landing zone has
# last_day: {year}-12-31  # of a closed data set
first_as_of_month: {year}-04-01  # the first month for which a model is trained
# keys: car_parks  # what objects named by {{key}} are of; each that lands becomes a partition
# as_of_every_months: 1  # 12 trains one a year
"""
_WIDTH = 110
PLACEHOLDERS: dict[Any, str] = {str: FILL_IN, int: "1", float: "0.5", bool: "false"}


class UseCaseScaffolder(dg.Scaffolder[NoParams]):
    """Writes defs.yaml with all fields of the component, and what the use case's folder lacks."""

    def scaffold(self, request: ScaffoldRequest[NoParams]) -> None:
        """Write `<use case>/<location>/defs.yaml`, and `use_case.yaml` and `__init__.py` beside it if missing.

        Raises:
            DefinitionError: the path does not end in the component's location, or there is no such component.
        """
        location, folder = request.type_name.split(".")[1], request.target_path.parent
        model = component_model(request.type_name)
        if request.target_path.name != location or model is None:
            raise DefinitionError(
                f"{request.type_name} belongs into the folder '{location}' of a use case.",
                got=f"'{request.target_path.name}'",
                remedy=f"dg scaffold defs {request.type_name} <use case>/{location}",
            )
        lines = [f"type: {request.type_name}", "", "attributes:", *_fields(model, "  ")]
        (request.target_path / "defs.yaml").write_text(DEFS_HEADER + "\n".join(lines) + "\n")
        for name, text in (
            (FILE_NAME, USE_CASE.format(name=folder.name, year=dt.datetime.now(dt.UTC).year)),
            ("__init__.py", f'"""The use case {folder.name}: contracts and pure functions, no Dagster, no I/O."""\n'),
        ):
            if not (folder / name).exists():
                (folder / name).write_text(text)


def filled_in(model: type[BaseModel], values: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Lines of YAML: `values` by their fields, each below its description; those of a short mapping have none."""
    for name, field in model.model_fields.items():
        if name not in values:
            continue
        yield from _comment(field, indent)
        value, nested = values[name], next(models_in(field.annotation), None)
        flow = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
        flow = flow.removesuffix("...\n").strip()
        is_short = len(indent) + len(name) + len(flow) <= _WIDTH or not isinstance(value, Mapping | list)
        if typing.get_origin(field.annotation) is dict:
            block = yaml.safe_dump({name: value}, default_flow_style=None, sort_keys=False, allow_unicode=True)
            yield from (f"{indent}{line}" for line in block.splitlines())
        elif nested is None or is_short:
            yield f"{indent}{name}: {flow}"
        elif isinstance(value, list):
            yield f"{indent}{name}:"
            for each in value:
                yield from _as_list_item([*filled_in(nested, each, indent + "    ")], indent)
        else:
            yield from (f"{indent}{name}:", *filled_in(nested, value, indent + "  "))


def _fields(model: type[BaseModel], indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield from _comment(field, indent)
        yield from _field(name, field, indent)


def _comment(field: FieldInfo, indent: str) -> Iterator[str]:
    comment = " ".join((field.description or "").split())
    yield from textwrap.wrap(comment, 110, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _field(name: str, field: FieldInfo, indent: str) -> Iterator[str]:
    nested = next(models_in(field.annotation), None)
    is_list = _is_list(field.annotation)
    if nested is not None and (field.is_required() or is_list):
        yield f"{indent}{name}:"
        inner = [*_fields(nested, indent + ("    " if is_list else "  "))]
        yield from _as_list_item(inner, indent) if is_list else inner
    elif field.is_required():
        yield f"{indent}{name}: {_placeholder(field)}"
    else:
        default = TypeAdapter(Any).dump_python(field.get_default(call_default_factory=True), mode="json")
        yield f"{indent}# {name}: {json.dumps(default)}"


def _as_list_item(lines: Sequence[str], indent: str) -> Iterator[str]:
    """The first line that is no comment gets the dash, its comments stay above it."""
    first = next(number for number, line in enumerate(lines) if not line.lstrip().startswith("#"))
    yield from (line[2:] for line in lines[:first])
    yield f"{indent}  - {lines[first].lstrip()}"
    yield from lines[first + 1 :]


def _placeholder(field: FieldInfo) -> str:
    annotation = field.annotation
    if typing.get_origin(annotation) is Literal:
        return str(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = typing.get_args(annotation)[0]
    if _is_list(annotation):
        return f"[{FILL_IN}]"
    if typing.get_origin(annotation) is dict:
        return "{}"
    least = next((limit.ge for limit in field.metadata if isinstance(limit, Ge)), None)
    return PLACEHOLDERS.get(annotation, FILL_IN) if least is None else str(least)


def _is_list(annotation: Any) -> bool:
    origins = [typing.get_origin(part) for part in (annotation, *typing.get_args(annotation))]
    return any(isinstance(origin, type) and issubclass(origin, Sequence) for origin in origins)
