"""What a use_case.yaml may say of errors."""

import datetime as dt
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


def yearly(**changes: Any) -> UseCase:
    """A use case that trains a model each January from 2014 on."""
    fields: dict[str, Any] = yaml.safe_load((FLIGHTS / "use_case.yaml").read_text())
    calendar = {"first_day": "2010-09-20", "last_day": "2016-08-31", "first_as_of_month": "2014-01-01"}
    return UseCase.model_validate({**fields, **calendar, "as_of_every_months": 12, **changes})


def test_a_model_a_year_is_a_partition_a_year_until_the_data_end() -> None:
    assert yearly().by_as_of_month.get_partition_keys() == ["2014-01-01", "2015-01-01", "2016-01-01"]


def test_a_model_a_quarter_goes_on_from_its_first_month() -> None:
    keys = yearly(as_of_every_months=3, first_as_of_month="2015-11-01").by_as_of_month.get_partition_keys()
    assert keys == ["2015-11-01", "2016-02-01", "2016-05-01", "2016-08-01"]


def test_a_model_a_month_is_what_is_done_unless_it_is_declared() -> None:
    keys = load_use_case(FLIGHTS).by_as_of_month.get_partition_keys()
    assert keys == ["2013-10-01", "2013-11-01", "2013-12-01"]


def test_a_model_answers_until_the_next_one_does() -> None:
    assert str(yearly().as_of_end(yearly().first_as_of_month)) == "2015-01-01"
    assert str(load_use_case(FLIGHTS).as_of_end(dt.date(2013, 11, 1))) == "2013-12-01"
