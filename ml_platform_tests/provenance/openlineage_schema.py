"""The published schemas of OpenLineage, and events held against them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

SPEC = Path(__file__).parent / "openlineage_spec"
EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json"


def problems(event: Mapping[str, Any]) -> list[str]:
    """Whatever of the event, or of any of its facets, is not as the schema that it names demands."""
    event_schema = {"$ref": f"{EVENT}#/$defs/RunEvent"}
    found = [*_errors(event, event_schema)]
    for facet in _facets(event):
        found += _errors(facet, {"$ref": facet["_schemaURL"]})
    return found


def _errors(value: object, schema: Mapping[str, Any]) -> list[str]:
    validator = Draft202012Validator(schema, registry=_registry(), format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def _registry() -> Registry[Any]:
    documents = [json.loads(path.read_text()) for path in SPEC.glob("*.json")]
    return Registry().with_resources((each["$id"], Resource.from_contents(each)) for each in documents)


def _facets(value: Any) -> list[dict[str, Any]]:
    """Every facet below `value`: whatever names its schema."""
    if isinstance(value, list):
        return [facet for each in value for facet in _facets(each)]
    if not isinstance(value, dict):
        return []
    own = [value] if "_schemaURL" in value else []
    return own + [facet for each in value.values() for facet in _facets(each)]
