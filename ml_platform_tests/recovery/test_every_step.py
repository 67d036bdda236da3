"""No step is forgotten: all of the four locations have the one retry policy."""

import importlib
from typing import get_args

import dagster as dg
import pytest

from ml_platform.recovery.retries import Idempotency, StepRetries

pytestmark = pytest.mark.filterwarnings(  # Dagster's own way of reading a defs.yaml
    "ignore:`parse_obj_as` is deprecated"
)


@pytest.mark.parametrize("location", ["data", "training", "serving", "operations"])
def test_every_step_of_a_location_is_retried_by_the_class_of_its_failure(location: str) -> None:
    definitions: dg.Definitions = importlib.import_module(f"ml_platform.{location}.definitions").defs
    steps = {step for job in definitions.get_repository_def().get_all_jobs() for step in job.graph.iterate_op_defs()}
    policies = {step.name: step.retry_policy for step in steps}
    assert policies
    assert [name for name, policy in policies.items() if not isinstance(policy, StepRetries)] == []


def test_what_a_guard_keeps_from_harm_is_said_where_there_is_one() -> None:
    for location in ("training", "serving"):
        definitions: dg.Definitions = importlib.import_module(f"ml_platform.{location}.definitions").defs
        jobs = definitions.get_repository_def().get_all_jobs()
        found = [step.retry_policy for job in jobs for step in job.graph.iterate_op_defs()]
        guarded = [each for each in found if isinstance(each, StepRetries) and each.idempotency == "guarded"]
        assert guarded
        assert all(each.guard and each.idempotency in get_args(Idempotency) for each in guarded)
