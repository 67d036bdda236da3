import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.errors import DefinitionError
from ml_platform.evaluation.baseline import Baseline
from ml_platform.training.baselines import BaselineConfig, fit_baseline
from ml_platform_tests.training.scenario import departures

FLIGHTS = pl.DataFrame(
    {"carrier": ["AA", "AA", "AA", "UA"], "hour": [6, 6, 7, 6], "is_late": [True, True, False, False]},
    schema_overrides={"hour": pl.Int8},
)


def rates(by: tuple[str, ...], smoothing_rows: float = 0.0) -> list[float]:
    config = BaselineConfig(name="rate", by=by, smoothing_rows=smoothing_rows)
    return list(fit_baseline(config, FLIGHTS, "is_late").predict(FLIGHTS))


def test_without_groups_every_row_gets_the_overall_rate() -> None:
    assert rates(()) == [0.5] * 4


def test_a_group_gets_its_own_rate() -> None:
    assert rates(("carrier", "hour")) == [1.0, 1.0, 0.0, 0.0]


def test_smoothing_mixes_the_overall_rate_in() -> None:
    assert rates(("carrier",), smoothing_rows=1.0) == pytest.approx([2.5 / 4] * 3 + [0.5 / 2])


def test_a_group_never_seen_gets_the_overall_rate() -> None:
    baseline = fit_baseline(BaselineConfig(name="rate", by=("carrier",)), FLIGHTS, "is_late")
    assert baseline.predict(FLIGHTS.with_columns(carrier=pl.lit("ZZ"))).tolist() == [0.5] * 4


def test_a_baseline_survives_json() -> None:
    baseline = fit_baseline(BaselineConfig(name="rate", by=("carrier", "hour")), FLIGHTS, "is_late")
    assert Baseline.model_validate_json(baseline.model_dump_json()) == baseline


@given(st.integers(0, 100))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    config, frame = BaselineConfig(name="rate", by=("carrier", "hour")), departures(days=3)
    assert fit_baseline(config, frame.sample(fraction=1, shuffle=True, seed=seed), "is_late") == fit_baseline(
        config, frame, "is_late"
    )


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DefinitionError, match="'rate' needs columns that are not there: gate"):
        fit_baseline(BaselineConfig(name="rate", by=("gate",)), FLIGHTS, "is_late")
