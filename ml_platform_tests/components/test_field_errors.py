"""What a wrong field of any file of a use case is told as: file, line, field, and what is allowed."""

from itertools import count
from pathlib import Path

import pytest
from pydantic import BaseModel

from ml_platform.components.use_case import UseCase
from ml_platform.components.yaml_check import component_model
from ml_platform.errors import DefinitionError
from ml_platform.provenance.catalog import each_catalog
from ml_platform.recovery.alerts.routes import AlertRoutes
from ml_platform.typed_yaml import models_in
from ml_platform_tests.components.test_scaffold import COMPONENTS
from ml_platform_tests.starter.scenario import begun

NUMBERS = count()
DATA, TRAINING, SERVING = "data/defs.yaml", "training/defs.yaml", "serving/defs.yaml"
WRONG = [
    (DATA, "landing: ", "landed: ", r"landed\[0\].landed: no such field \(did you mean landing\?\); allowed are name,"),
    (DATA, "contract: contract:Raw", "source: x", "landed.0..contract: this field is required: `module:Schema` of"),
    (DATA, "inputs: []", "inputs: 7", r"features\[0\].inputs: input should be a list; got 7"),
    (DATA, "quarantine: quarantine", "quarantine: Q", r"cleaned\[0\].quarantine: .*a table's name is a folder below"),
    (DATA, "source: clean", "source: cleen", r"derived\[0\].source: there is no cleaned table.*did you mean clean"),
    (DATA, "rows: clean", "rows: raw", r"features\[0\].rows: there is no cleaned or derived table with.*one of clean"),
    (DATA, "cleaning:clean", "cleaning:cleen", r"'cleaning:cleen'.*nothing of that name.*did you mean clean\?"),
    (DATA, "contract:Clean", "contracts:Clean", r"there is no module contracts\.py"),
    (
        DATA,
        "contract:Clean",
        "contract:known_at",
        "'contract:known_at' of table 'clean' cannot be used. Expected a c",
    ),
    (DATA, "partition_column: date", "partition_column: day", "partition_column 'day' has to be a Date, not no column"),
    (DATA, "ml_platform.data.component.DataPipeline", "ml_platform.data.component.Data", "type: there is no component"),
    (TRAINING, "kind: binary", "kind: binari", r"task.kind: input should be 'binary', 'multiclass', 'regression' or"),
    (TRAINING, "iterations: 60", "iterations: many", r"iterations: input should be a valid integer.*got 'many'"),
    (TRAINING, "iterations: 60", "iterations: 0", "iterations: input should be greater than or equal to 1; got 0"),
    (TRAINING, "features_table: features", "features_table: feature", r"features_table: there is no table of features"),
    (
        TRAINING,
        "labels_table: labels",
        "labels_table: clean",
        "labels_table: there is no derived table 'clean'",
    ),
    (TRAINING, "label: cancelled", "label: canceled", r"labels.label: there is no column of labels 'canceled' \(did"),
    (TRAINING, "not_features: [date", "not_features: [data", r"not_features\[0\]: there is no column of features"),
    (
        TRAINING,
        "name: constant_rate",
        "name: a, column: x",
        r"baselines\[0\].column: there is no column of features 'x'",
    ),
    (
        TRAINING,
        "iterations: 60",
        "iterations: 60\n      retraining: {alarms: x}",
        "alarms: there is no table of alarms",
    ),
    (
        SERVING,
        "row: row",
        "row: row\n    fallback: {baseline: x}",
        "fallback.baseline: there is no baseline of training",
    ),
    (
        SERVING,
        "  champion:",
        "  drift: {baseline: x}\n  champion:",
        "drift.baseline: there is no baseline of training 'x'",
    ),
    (SERVING, "registered_model: ", "registered_model: x", "registered_model: there is no registered model"),
    (SERVING, "model_version: ", "model_version: x", "model_version: there is no asset of training"),
    (SERVING, "features: features", "features: clean", "predictions.features: there is no table of features 'clean'"),
    (SERVING, "label_column: cancelled", "label_column: late", "quality.label_column: there is no column of labels"),
    (SERVING, "row: row", "rows: row", r"predictions.rows: no such field \(did you mean row\?\); allowed are"),
    (
        "use_case.yaml",
        "first_day: 2024-01-01",
        "first_day: soon",
        "first_day: input should be a valid date",
    ),
    ("use_case.yaml", "timezone: UTC", "timezone: Europe/Berlim", r"timezone: .*did you mean Europe/Berlin\?"),
    ("use_case.yaml", "owners", "owner", r"owner: no such field \(did you mean owners\?\)"),
]
"""File, what stands in it, what stands there instead, and what is told."""


@pytest.mark.parametrize(("file", "old", "new", "told"), WRONG, ids=[f"{each[0]}: {each[2]}" for each in WRONG])
def test_a_wrong_field_is_told_with_file_field_and_what_is_allowed(
    file: str, old: str, new: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_USE_CASES", str(tmp_path / "use_cases"))
    begun(tmp_path / "use_cases", [name := f"buoy_{next(NUMBERS)}"])
    path = tmp_path / "use_cases" / name / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DefinitionError, match=told) as refused:
        each_catalog(strict=True)
    assert f"use_cases/{name}" in str(refused.value) or name in str(refused.value)


def described(model: type[BaseModel]) -> list[str]:
    """Every field of the model and of the models in it that has no description."""
    fields = model.model_fields
    found = [f"{model.__name__}.{name}" for name, field in fields.items() if not field.description]
    nested = {each for field in fields.values() for each in models_in(field.annotation)}
    return found + [name for each in nested for name in described(each)]


@pytest.mark.parametrize("component", [*COMPONENTS.values(), "use_case.yaml", "alerts.yaml"])
def test_every_field_of_every_file_has_a_description(component: str) -> None:
    other: dict[str, type[BaseModel]] = {"use_case.yaml": UseCase, "alerts.yaml": AlertRoutes}
    model = other.get(component) or component_model(component)
    assert model is not None
    assert described(model) == []
