"""What a registered model needs to answer online, as the use case's defs.yaml files declare it.

Belongs here: reading `serving/defs.yaml` and `data/defs.yaml` without Dagster. Does not: checking them
(`components.yaml_check`), or the tables themselves (`history`).
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import dataframely as dy
import yaml

from ml_platform.components.declared_task import declared_task
from ml_platform.components.references import USE_CASES, resolve
from ml_platform.errors import DefinitionError, ModelNotFoundError
from ml_platform.point_in_time.features import FeatureFunction, PredictionTime

_DEPLOYMENT = "ml_platform.serving.component.Deployment"
_DATA = "ml_platform.data.component.DataPipeline"


class Input(NamedTuple):
    """A table that features are made from: its full name, its contract, and the days that are looked back on."""

    table: str
    contract: type[dy.Schema]
    day_column: str
    look_back_days: int


class OnlineModel(NamedTuple):
    """One registered model with its deployment, and the feature function with its inputs by parameter."""

    name: str
    use_case: str
    first_day: dt.date
    champions: str
    predictions: str
    row: str
    rows: Input
    inputs: Mapping[str, Input]
    function: FeatureFunction
    prediction_at: PredictionTime
    features: type[dy.Schema]
    day_column: str
    last_known_good: bool
    baseline: str | None

    @property
    def tables(self) -> dict[str, Input]:
        """Every table that is read, once, with the longest look-back."""
        found: dict[str, Input] = {}
        for each in (self.rows, *self.inputs.values()):
            if each.table not in found or found[each.table].look_back_days < each.look_back_days:
                found[each.table] = each
        return found


def online_model(name: str, use_cases: Path = USE_CASES) -> OnlineModel:
    """The registered model `name` as it is deployed.

    Raises:
        ModelNotFoundError: no serving/defs.yaml deploys it.
        DefinitionError: a defs.yaml names what is not there, or the model gives no probabilities.
    """
    deployed = {found.name: found for found in _all(use_cases, name)}
    if name not in deployed:
        declared = sorted(_names(use_cases))
        raise ModelNotFoundError(
            f"No use case deploys a registered model '{name}'.",
            expected=f"one of {', '.join(declared) or 'none yet'}",
            remedy="Name one of them, or write serving/defs.yaml of the use case: README.md tells how.",
        )
    found = deployed[name]
    task = declared_task(use_cases / found.use_case / "serving", name)
    if task.kind != "binary":
        raise DefinitionError(
            f"'{name}' cannot be served on request.",
            expected="a model whose task is binary, since an answer is a probability",
            got=f"task {task.kind}",
            remedy=f"Its batch predictions are in {found.predictions}.",
        )
    return found


def online_models(use_cases: Path = USE_CASES) -> list[OnlineModel]:
    """Every registered model that is deployed and can be served on request.

    Raises:
        DefinitionError: a defs.yaml names what is not there.
    """
    deployed = [found for name in sorted(_names(use_cases)) for found in _all(use_cases, name)]
    return [
        each for each in deployed if declared_task(use_cases / each.use_case / "serving", each.name).kind == "binary"
    ]


def _names(use_cases: Path) -> Iterator[str]:
    for path in use_cases.glob("*/serving/defs.yaml"):
        for attributes in _components(path, _DEPLOYMENT):
            yield str(attributes["champion"]["registered_model"])


def _all(use_cases: Path, name: str) -> Iterator[OnlineModel]:
    for path in sorted(use_cases.glob("*/serving/defs.yaml")):
        for attributes in _components(path, _DEPLOYMENT):
            if attributes["champion"]["registered_model"] == name:
                yield _of(path.parents[1], attributes)


def _of(folder: Path, deployment: Mapping[str, Any]) -> OnlineModel:
    use_case, predictions = folder.name, deployment["predictions"]
    pipelines = list(_components(folder / "data" / "defs.yaml", _DATA))
    cleaned = {table["name"]: table for pipeline in pipelines for table in pipeline.get("cleaned", ())}
    features = {table["name"]: table for pipeline in pipelines for table in pipeline.get("features", ())}
    table, fallback = features[predictions["features"]], predictions.get("fallback") or {}

    def read(name: str, days: int) -> Input:
        source = cleaned[name]
        contract = resolve(use_case, source["contract"])
        return Input(f"{use_case}/{name}", contract, source["partition_column"], days)

    return OnlineModel(
        name=deployment["champion"]["registered_model"],
        use_case=use_case,
        first_day=yaml.safe_load((folder / "use_case.yaml").read_text())["first_day"],
        champions=f"{use_case}/{deployment['champion']['name']}",
        predictions=f"{use_case}/{predictions['name']}",
        row=predictions["row"],
        rows=read(table["rows"], 0),
        inputs={each["parameter"]: read(each["table"], each.get("look_back_days", 0)) for each in table["inputs"]},
        function=resolve(use_case, table["function"]),
        prediction_at=resolve(use_case, table["prediction_at"]),
        features=resolve(use_case, table["contract"]),
        day_column=predictions["partition_column"],
        last_known_good=bool(fallback.get("last_known_good", False)),
        baseline=fallback.get("baseline"),
    )


def _components(path: Path, kind: str) -> Iterator[Mapping[str, Any]]:
    for document in yaml.safe_load_all(path.read_text()):
        if document.get("type") == kind:
            yield document["attributes"]
