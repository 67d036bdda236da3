"""What was learnt: for each as-of month the search, the scores on the month itself, the gate's word and the promotion.

Read from the records that training and serving keep.
"""

from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.demo.shown import Shown
from ml_platform.serving.promotion import Promotion
from ml_platform.storage.objects import ObjectStore
from ml_platform.training.evaluation import Evaluation
from ml_platform.training.gate import GateDecision
from ml_platform.training.records import ModelEvaluation, ModelVersion, TrainedModel
from ml_platform.training.search import TrialOutcome
from ml_platform.training.trainers import ParameterValue

Record = TypeVar("Record", bound=BaseModel)


class Search(BaseModel):
    """One search and the fit of its winner."""

    model_config = ConfigDict(frozen=True)

    trials: int = Field(description="Trials that were started.")
    failed: int = Field(description="Trials that ended without a score.")
    parameters: dict[str, ParameterValue] = Field(description="Parameters of the winner.")
    iterations: int = Field(description="Iterations of the final fit.")


class Version(BaseModel):
    """One registered version and what the gate said."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the model in the registry.")
    version: int = Field(description="Number of the version.")
    sha256: str = Field(description="Hash of the model's bytes.")
    fingerprint: str = Field(description="Hash of everything that the model follows from.")
    gate: GateDecision = Field(description="What the gate said, with every reason.")


class MonthlyModel(BaseModel):
    """The model of one as-of month; null is what is not materialized yet."""

    model_config = ConfigDict(frozen=True)

    as_of: str = Field(description="First day of the as-of month: what was known before it was learnt from.")
    search: Search | None = Field(description="How it was found.")
    version: Version | None = Field(description="As what it was registered.")
    holdout: Evaluation | None = Field(description="Scores on the days just before; the gate decides on them.")
    test: Evaluation | None = Field(description="Scores on the as-of month itself, which nothing has touched before.")
    is_promoted: bool | None = Field(description="Whether it became champion.")
    champion: int | None = Field(description="Version that answers from the month on.")


def read_models(artifacts: ObjectStore, of: Shown) -> tuple[MonthlyModel, ...]:
    """Every as-of month that has a record of any kind, oldest first."""
    names = [f"{of.model.name}_{kind}" for kind in ("model", "evaluation", "model_version")]
    assets = (*names, of.deployment.champion.name)
    models, evaluations, versions, champions = (_records(artifacts, f"records/{of.table(name)}") for name in assets)
    found = []
    for month in sorted({*models, *evaluations, *versions, *champions}):
        evaluation = _parsed(ModelEvaluation, evaluations.get(month))
        promotion = _parsed(Promotion, champions.get(month))
        found.append(
            MonthlyModel(
                as_of=month,
                search=_search(_parsed(TrainedModel, models.get(month))),
                version=_version(_parsed(ModelVersion, versions.get(month))),
                holdout=evaluation.holdout if evaluation else None,
                test=evaluation.test if evaluation else None,
                is_promoted=promotion.is_promoted if promotion else None,
                champion=promotion.champion.version if promotion and promotion.champion else None,
            )
        )
    return tuple(found)


def _records(artifacts: ObjectStore, folder: str) -> dict[str, bytes]:
    """Each partition's document, by partition key."""
    return {unquote(PurePosixPath(one.path).stem): artifacts.read(one.path) for one in artifacts.list(folder)}


def _parsed(kind: type[Record], document: bytes | None) -> Record | None:
    return None if document is None else kind.model_validate_json(document)


def _search(model: TrainedModel | None) -> Search | None:
    if model is None:
        return None
    last: dict[int, TrialOutcome] = {trial.number: trial for trial in model.trials}  # the newest rung of each
    failed = sum(trial.outcome == "failed" for trial in last.values())
    return Search(trials=len(last), failed=failed, parameters=model.parameters, iterations=model.iterations)


def _version(version: ModelVersion | None) -> Version | None:
    if version is None:
        return None
    return Version(
        name=version.name,
        version=version.version,
        sha256=version.sha256,
        fingerprint=version.fingerprint,
        gate=version.decision,
    )
