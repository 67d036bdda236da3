"""What was learnt: for each as-of month the model, its trials, its scores on the month itself, and what the gate said.

Read from the records of the training pipeline and, for the number of trials, from the instance.
"""

from pathlib import PurePosixPath
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.registry import RegisteredModel
from ml_platform.training.evaluation import Evaluation

EVALUATIONS = "records/flights/delay_evaluation"
VERSIONS = "records/flights/delay_model_version"


class MonthlyModel(BaseModel):
    """The model of one as-of month; null is what is not materialized yet."""

    model_config = ConfigDict(frozen=True)

    as_of: str = Field(description="First day of the as-of month: what was known before it was learnt from.")
    trials: int | None = Field(description="Trials of the search.")
    version: RegisteredModel | None = Field(description="The registered version and what the gate said.")
    test: Evaluation | None = Field(description="Scores on the as-of month itself, which nothing has touched before.")


def read_models(artifacts: ObjectStore, trials: dict[str, int]) -> tuple[MonthlyModel, ...]:
    """Every as-of month that has a record or trials, oldest first."""
    evaluations = _records(artifacts, EVALUATIONS)
    versions = _records(artifacts, VERSIONS)
    return tuple(
        MonthlyModel(
            as_of=month,
            trials=trials.get(month),
            version=RegisteredModel.model_validate_json(versions[month]) if month in versions else None,
            test=Evaluation.model_validate_json(evaluations[month]) if month in evaluations else None,
        )
        for month in sorted(evaluations.keys() | versions.keys() | trials.keys())
    )


def _records(artifacts: ObjectStore, folder: str) -> dict[str, bytes]:
    """Each partition's document, by partition key."""
    found = artifacts.list(folder)
    return {unquote(PurePosixPath(one.path).stem): artifacts.read(one.path) for one in found}
