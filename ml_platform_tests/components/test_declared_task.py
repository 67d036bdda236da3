"""Serving knows of a model what training declares of it."""

import pytest

from ml_platform.components.declared_task import declared_task
from ml_platform.errors import DefinitionError
from ml_platform.settings import PROJECT_ROOT

USE_CASES = PROJECT_ROOT / "ml_platform" / "use_cases"


def test_a_model_without_a_task_is_binary() -> None:
    assert declared_task(USE_CASES / "flights" / "serving", "flights_delay").kind == "binary"


def test_a_model_that_nobody_trains_is_told_with_those_that_are() -> None:
    with pytest.raises(DefinitionError, match=r"deploys 'nothing', which no model is registered as.*flights_delay"):
        declared_task(USE_CASES / "flights" / "serving", "nothing")
