"""The schemas that editors check YAML by allow what the platform allows, and explain every field."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ml_platform.components.references import USE_CASES
from ml_platform.components.schemas import FILES, schema_of
from ml_platform.errors import DefinitionError

WRITTEN = sorted(path.relative_to(USE_CASES).as_posix() for path in USE_CASES.glob("*/**/*.yaml"))


def kind_of(path: str) -> str:
    """Which file of a use case it is."""
    return "use_case" if path.endswith("use_case.yaml") else path.split("/")[1]


def problems(path: str, old: str = "", new: str = "") -> list[str]:
    """What the schema says of a file, with one text in it replaced; dates are texts to it."""
    text = Path(USE_CASES / path).read_text()
    assert old in text
    validator = jsonschema.Draft202012Validator(schema_of(kind_of(path)))
    documents = yaml.safe_load_all(text.replace(old, new, 1))
    plain = [json.loads(json.dumps(each, default=str)) for each in documents]
    return [error.message for each in plain for error in validator.iter_errors(each)]


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of the file and of what is in it."""
    yield from schema.get("properties", {}).items()
    for each in schema.get("$defs", {}).values():
        yield from each.get("properties", {}).items()


@pytest.mark.parametrize("path", WRITTEN)
def test_what_is_written_is_allowed(path: str) -> None:
    assert problems(path) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "told"),
    [
        ("flights/serving/defs.yaml", "row: flight", "rows: flight", "'rows' was unexpected"),
        ("flights/serving/defs.yaml", "fewest_labels: 100", "fewest_labels: few", "'few' is not of type 'integer'"),
        ("flights/use_case.yaml", "name: flights", "name: Flights!", "does not match"),
    ],
)
def test_what_is_wrong_is_told(path: str, old: str, new: str, told: str) -> None:
    assert told in " ".join(problems(path, old, new))


@pytest.mark.parametrize("file", FILES)
def test_every_field_is_explained(file: str) -> None:
    unexplained = [
        name for name, field in fields(schema_of(file)) if "description" not in field and "$ref" not in field
    ]
    assert unexplained in ([], ["attributes"])


def test_a_file_that_there_is_not_is_told_with_those_there_are() -> None:
    with pytest.raises(DefinitionError, match="Expected use_case, data, training, serving"):
        schema_of("models")
