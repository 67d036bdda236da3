"""What a data/defs.yaml names is looked at before anything is made of it."""

import pytest
import yaml

from ml_platform.components.use_case import load_use_case
from ml_platform.data.component import DataPipeline
from ml_platform.data.references import require_fitting
from ml_platform.errors import DefinitionError
from ml_platform.settings import PROJECT_ROOT

FLIGHTS = PROJECT_ROOT / "ml_platform" / "use_cases" / "flights"
MISTAKES = [
    ("contract: contract:CleanWeather", "contract: cleaning:clean_weather", "got the function clean_weather"),
    ("function: cleaning:clean_weather", "function: contract:CleanWeather", "got the class CleanWeather"),
    ("parameter: weather,", "parameter: wether,", "Expected inputs for flights, weather; got flights, wether"),
    ("contract: contract:CleanWeather", "contract: contract:RawWeather", "RawWeather does not say when column"),
    ("partition_column: service_date", "partition_column: tail_number", "CleanFlights declares personal"),
]


def check(text: str) -> None:
    pipeline = DataPipeline.model_validate(yaml.safe_load(text)["attributes"])
    require_fitting(pipeline, load_use_case(FLIGHTS))


def test_the_flights_fit() -> None:
    check((FLIGHTS / "data" / "defs.yaml").read_text())


@pytest.mark.parametrize(("right", "wrong", "told"), MISTAKES)
def test_what_does_not_fit_is_told_with_what_is_expected(right: str, wrong: str, told: str) -> None:
    text = (FLIGHTS / "data" / "defs.yaml").read_text()
    assert right in text
    with pytest.raises(DefinitionError, match=told):
        check(text.replace(right, wrong, 1))
