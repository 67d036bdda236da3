"""Names in a defs.yaml that would leave their place are refused with file and line, before anything is loaded."""

from pathlib import Path

import pytest

from ml_platform.components.yaml_check import require_valid
from ml_platform.errors import DefinitionError
from ml_platform.settings import PROJECT_ROOT

FLIGHTS = PROJECT_ROOT / "ml_platform" / "use_cases" / "flights"
TABLES = [
    ("data", "    - name: raw\n", "landed[0].name"),
    ("data", "quarantine: quarantine\n", "cleaned[0].quarantine"),
    ("data", "    - name: clean\n", "cleaned[0].name"),
    ("data", "    - name: delay_labels\n", "derived[0].name"),
    ("data", "    - name: delay_features\n", "features[0].name"),
    ("training", "    - name: delay\n", "models[0].name"),
    ("serving", "    name: delay_champion\n", "champion.name"),
    ("serving", "    name: delay_predictions\n", "predictions.name"),
    ("serving", "    name: delay_quality\n", "quality.name"),
]
MODELS = [
    ("training", "registered_as: flights_delay\n", "models[0].registered_as"),
    ("serving", "registered_model: flights_delay\n", "champion.registered_model"),
]


def refused(folder: Path, location: str, line: str, value: str) -> str:
    """What is told of flights' defs.yaml with `value` on that line, after the number of the line."""
    text = (FLIGHTS / location / "defs.yaml").read_text()
    before, found, after = text.partition(line)
    assert found, f"{line!r} is not in {location}/defs.yaml"
    path = folder / "defs.yaml"
    path.write_text(f"{before}{line.partition(':')[0]}: {value}\n{after}")
    with pytest.raises(DefinitionError) as error:
        require_valid(path, "defs.yaml")
    where, _, told = str(error.value).partition(f"defs.yaml:{before.count(chr(10)) + 1}, ")
    assert "1 field is wrong" in where
    return told


@pytest.mark.parametrize(
    "value", ["../raw", "/etc", "a/b", "a\\b", "..", '""', '"a b"', "s3://bucket/x", "x" + "y" * 100]
)
def test_a_name_that_is_no_folder_of_the_use_case_is_refused(tmp_path: Path, value: str) -> None:
    told = refused(tmp_path, "data", "    - name: raw\n", value)
    assert told.startswith("landed[0].name: ")
    assert "a table's name is a folder below the data prefix" in told


@pytest.mark.parametrize(("location", "line", "field"), TABLES)
def test_every_name_of_a_table_or_record_is_looked_at(tmp_path: Path, location: str, line: str, field: str) -> None:
    assert refused(tmp_path, location, line, "../../elsewhere").startswith(f"{field}: ")


@pytest.mark.parametrize(("location", "line", "field"), MODELS)
@pytest.mark.parametrize("value", ["../x", "a/b", "..", ".hidden", '"a\\nb"', "models:/x"])
def test_the_name_of_a_registered_model_is_one_folder(
    tmp_path: Path, location: str, line: str, field: str, value: str
) -> None:
    assert refused(tmp_path, location, line, value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    "value", ["../x.csv", "/etc/passwd", "a/../../x", "file:///etc/passwd", "a//b", '"a\\\\b"', "."]
)
def test_a_landing_path_that_leaves_the_landing_zone_is_refused(tmp_path: Path, value: str) -> None:
    told = refused(tmp_path, "data", "      landing: flights/airports.csv\n", value)
    assert told.startswith("landed[2].landing: ")
    assert "stays in it" in told


@pytest.mark.parametrize("value", ['"a/{day.__class__}.csv"', '"{hour}.csv"', '"{day!r}"', '"{"', '"a}"'])
def test_only_the_day_or_key_stands_in_the_braces_of_a_landing_path(tmp_path: Path, value: str) -> None:
    told = refused(tmp_path, "data", "      landing: flights/airports.csv\n", value)
    assert "braces are for `{day}` or `{key}` alone" in told
