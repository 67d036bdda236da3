"""What a use_case.yaml may say of errors."""

from typing import Any

import pytest
import yaml

from ml_platform.components.use_case import UseCase, load_use_case
from ml_platform.errors import DefinitionError
from ml_platform.recovery.error_classes import classify
from ml_platform.settings import PROJECT_ROOT

FLIGHTS = PROJECT_ROOT / "ml_platform" / "use_cases" / "flights"


def flights_with(error_classes: dict[str, str]) -> UseCase:
    """The use case of the demonstration, with classes of its own."""
    fields: dict[str, Any] = yaml.safe_load((FLIGHTS / "use_case.yaml").read_text())
    return UseCase.model_validate({**fields, "error_classes": error_classes})


def test_an_error_of_a_library_gets_the_class_that_the_use_case_gives_it() -> None:
    own = flights_with({"zipfile.LargeZipFile": "data", "BufferError": "transient"}).retries().own
    assert own == {"zipfile.LargeZipFile": "data", "BufferError": "transient"}
    assert classify(BufferError(), own).error_class == "transient"


def test_a_use_case_without_errors_of_its_own_has_none() -> None:
    assert load_use_case(FLIGHTS).retries().own == {}


@pytest.mark.parametrize(
    "name", ["zipfile.NoSuchError", "no_such_library.Error", "zipfile.ZipFile", "features:nothing"]
)
def test_a_name_that_is_no_exception_is_told_when_the_location_loads(name: str) -> None:
    with pytest.raises(DefinitionError, match=name):
        flights_with({name: "throttled"}).retries()


def test_a_class_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="'transient', 'throttled', 'resource', 'data', 'code' or 'cancelled'"):
        flights_with({"BufferError": "flaky"})
