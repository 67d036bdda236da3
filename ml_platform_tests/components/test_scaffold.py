"""`dg scaffold defs`: a folder to fill in, and what is said while it is not filled in."""

from pathlib import Path

import pytest
import yaml
from dagster.components.scaffold.scaffold import NoParams, ScaffoldRequest

from ml_platform.components.scaffold import UseCaseScaffolder
from ml_platform.components.use_case import load_use_case
from ml_platform.components.yaml_check import FILL_IN, component_model, require_valid
from ml_platform.errors import DefinitionError

COMPONENTS = {
    "data": "ml_platform.data.component.DataPipeline",
    "training": "ml_platform.training.component.TrainingPipeline",
    "serving": "ml_platform.serving.component.Deployment",
}


def scaffold(component: str, folder: Path) -> str:
    folder.mkdir(parents=True)
    UseCaseScaffolder().scaffold(ScaffoldRequest(component, folder, "yaml", None, NoParams()))
    return (folder / "defs.yaml").read_text()


@pytest.mark.parametrize("location", COMPONENTS)
def test_every_field_of_a_component_is_scaffolded_with_its_description(location: str, tmp_path: Path) -> None:
    text = scaffold(COMPONENTS[location], tmp_path / "harbour" / location)
    model = component_model(COMPONENTS[location])
    assert model is not None
    attributes = yaml.safe_load(text)["attributes"]
    left_out = "  # {}: ".format  # as a comment, with its default
    assert all(name in attributes or left_out(name) in text for name in model.model_fields)
    assert all(f"# {field.description}" in text for field in model.model_fields.values())


@pytest.mark.parametrize("location", COMPONENTS)
def test_only_what_is_to_be_filled_in_is_wrong_with_it(location: str, tmp_path: Path) -> None:
    text = scaffold(COMPONENTS[location], tmp_path / "harbour" / location)
    places = sum(FILL_IN in line and not line.startswith("#") for line in text.splitlines())
    with pytest.raises(DefinitionError, match=f"{places} fields are wrong") as refused:
        require_valid(tmp_path / "harbour" / location / "defs.yaml", "defs.yaml")
    assert str(refused.value).count("still to be filled in") == places


def test_the_use_case_has_its_name_and_what_stands_there_is_kept(tmp_path: Path) -> None:
    scaffold(COMPONENTS["data"], tmp_path / "harbour" / "data")
    assert load_use_case(tmp_path / "harbour").name == "harbour"
    (tmp_path / "harbour" / "use_case.yaml").write_text("name: mine")
    scaffold(COMPONENTS["serving"], tmp_path / "harbour" / "serving")
    assert (tmp_path / "harbour" / "use_case.yaml").read_text() == "name: mine"


def test_a_component_goes_into_the_folder_of_its_location(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="belongs into the folder 'data' of a use case"):
        scaffold(COMPONENTS["data"], tmp_path / "harbour")
    assert list((tmp_path / "harbour").iterdir()) == []


def test_a_wrong_field_deep_in_a_model_is_told_with_its_line(tmp_path: Path) -> None:
    text = scaffold(COMPONENTS["training"], tmp_path / "harbour" / "training")
    line = next(number for number, each in enumerate(text.splitlines(), 1) if "iterations: 1" in each)
    path = tmp_path / "harbour" / "training" / "defs.yaml"
    path.write_text(text.replace("iterations: 1", "iteration: 1", 1))
    with pytest.raises(
        DefinitionError, match=rf"defs.yaml:{line}, models\[0\].search.rungs\[0\].iteration: no such field"
    ):
        require_valid(path, "defs.yaml")
