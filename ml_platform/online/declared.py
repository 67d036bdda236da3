"""What a registered model needs to answer online, as the use case's defs.yaml files declare it.

Belongs here: reading `serving/defs.yaml` and `data/defs.yaml` without Dagster. Does not: checking them
(`components.yaml_check`), or the tables themselves (`history`).
"""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import dataframely as dy
import yaml

from ml_platform.components.declared import declared
from ml_platform.components.declared_task import declared_task
from ml_platform.components.references import resolve, use_cases_folder
from ml_platform.components.sound import each_of
from ml_platform.errors import DefinitionError, ModelNotFoundError
from ml_platform.point_in_time.features import FeatureFunction, PredictionTime
from ml_platform.serving.trials import TrialLimits

_DEPLOYMENT = "ml_platform.serving.component.Deployment"
_DATA = "ml_platform.data.component.DataPipeline"


class Input(NamedTuple):
    """A table that features are made from: its full name, its contract, and the days that are looked back on."""

    table: str
    contract: type[dy.Schema]
    day_column: str
    look_back_days: int


class Outcomes(NamedTuple):
    """How predictions turn out: the labels with their column, and between which ROC AUCs nothing is to report."""

    table: str
    column: str
    lowest: float
    highest: float
    fewest_labels: int


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
    trial: TrialLimits | None
    outcomes: Outcomes

    @property
    def tables(self) -> dict[str, Input]:
        """Every table that is read, once, with the longest look-back."""
        found: dict[str, Input] = {}
        for each in (self.rows, *self.inputs.values()):
            if each.table not in found or found[each.table].look_back_days < each.look_back_days:
                found[each.table] = each
        return found


def online_model(name: str, use_cases: Path | None = None) -> OnlineModel:
    """The registered model `name` as it is deployed.

    Raises:
        ModelNotFoundError: no serving/defs.yaml deploys it.
        DefinitionError: a defs.yaml names what is not there, or the model gives no probabilities.
    """
    root = use_cases or use_cases_folder()
    deployed = _deployed(root)
    if name not in deployed:
        raise ModelNotFoundError(
            f"No use case deploys a registered model '{name}'.",
            expected=f"one of {', '.join(sorted(deployed)) or 'none yet'}",
            remedy="Name one of them, or write serving/defs.yaml of the use case: README.md tells how.",
        )
    if refusal := _refusal(root, *deployed[name]):
        raise refusal
    return _of(root, *deployed[name])


def models_of(folder: Path) -> list[OnlineModel]:
    """The models of one use case that can be served on request.

    Raises:
        DefinitionError: a defs.yaml names what is not there.
    """
    deployed = declared(folder, "serving", _DEPLOYMENT) if (folder / "serving" / "defs.yaml").exists() else []
    found = [(folder.parent, folder.name, each) for each in deployed]
    return [_of(*each) for each in found if _refusal(*each) is None]


def _refusal(root: Path, use_case: str, deployment: Mapping[str, Any]) -> DefinitionError | None:
    """Why the model cannot be served on request; None if it can."""
    name, predictions = deployment["champion"]["registered_model"], deployment["predictions"]
    pipelines = declared(root / use_case, "data", _DATA)
    features = {table["name"] for pipeline in pipelines for table in pipeline.get("features", ())}
    task = declared_task(root / use_case / "serving", name)
    if predictions["features"] not in features:
        expected = "features of a table whose rows land by day, since they are made anew from its days"
        got = f"'{predictions['features']}', which is cut by day from tables by key"
    elif task.kind != "binary":
        expected, got = "a model whose task is binary, since an answer is a probability", f"task {task.kind}"
    else:
        return None
    remedy = f"Its batch predictions are in {use_case}/{predictions['name']}."
    return DefinitionError(f"'{name}' cannot be served on request.", expected=expected, got=got, remedy=remedy)


def _deployed(root: Path) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """By registered model, the use case that deploys it and how, of those whose YAML can be read."""
    folders = [path.parents[1] for path in sorted(root.glob("*/serving/defs.yaml"))]
    found = each_of(
        folders, lambda folder: (folder.name, declared(folder, "serving", _DEPLOYMENT)), "online", strict=False
    )
    deployments = [(use_case, each) for use_case, attributes in found.sound for each in attributes]
    return {str(each.get("champion", {}).get("registered_model")): (use_case, each) for use_case, each in deployments}


def _of(root: Path, use_case: str, deployment: Mapping[str, Any]) -> OnlineModel:
    folder, predictions = root / use_case, deployment["predictions"]
    pipelines = declared(folder, "data", _DATA)
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
        outcomes=_outcomes(use_case, deployment["quality"]),
        trial=TrialLimits.model_validate(trial) if (trial := deployment["champion"].get("trial")) is not None else None,
    )


def _outcomes(use_case: str, quality: Mapping[str, Any]) -> Outcomes:
    """As `serving.component.QualityTable` declares them, which knows Dagster."""
    return Outcomes(
        table=f"{use_case}/{quality['labels']}",
        column=quality["label_column"],
        lowest=quality.get("lowest_roc_auc_score", 0.5),
        highest=quality.get("highest_roc_auc_score", 0.95),
        fewest_labels=quality.get("fewest_labels", 100),
    )
