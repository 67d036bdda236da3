"""Model bytes: canonical, verified, and equal in what they predict."""

import hashlib
import multiprocessing
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ml_platform.errors import DefinitionError, ObjectCorruptError
from ml_platform.tracking import models
from ml_platform_tests.tracking.scenario import fresh_processes


def flights(rows: int = 400) -> pl.DataFrame:
    """Hour and carrier of flights, one in ten without an hour, and whether each was late."""
    random = np.random.default_rng(7)
    hour = random.integers(0, 24, rows)
    return pl.DataFrame(
        {
            "hour": pl.Series(hour).cast(pl.Float64).set(pl.Series(random.random(rows) < 0.1), None),
            "carrier": random.choice(["AA", "B6", "UA"], rows),
            "is_late": hour + random.normal(0, 6, rows) > 14,
        }
    )


def fitted(iterations: int = 6) -> models.TabularModel:
    from sklearn.ensemble import HistGradientBoostingClassifier

    frame, features = flights(), ("hour", "carrier")
    categories = models.learn_categories(frame, features)
    estimator = HistGradientBoostingClassifier(max_iter=iterations, categorical_features=[1], random_state=0)
    estimator.set_params(warm_start=True, early_stopping=False)
    estimator.fit(models.encode(frame, features, categories), frame["is_late"].to_numpy())
    return models.TabularModel(estimator, features, categories, "hist_gradient_boosting", iterations)


def sha256_elsewhere(_: int) -> str:
    padding = [object() for _ in range(1000)]
    return hashlib.sha256(models.dumps(fitted())).hexdigest() if padding else ""


def test_another_process_writes_the_same_bytes() -> None:
    with fresh_processes().Pool(1) as pool:
        elsewhere = pool.map(sha256_elsewhere, [0])[0]
    assert hashlib.sha256(models.dumps(fitted())).hexdigest() == elsewhere


def test_a_model_that_was_saved_and_loaded_writes_the_same_bytes() -> None:
    data = models.dumps(fitted())
    assert models.dumps(models.loads(data, hashlib.sha256(data).hexdigest())) == data


def test_a_fit_resumed_from_bytes_ends_in_the_same_bytes() -> None:
    data = models.dumps(fitted(iterations=3))
    resumed, frame = models.loads(data, hashlib.sha256(data).hexdigest()), flights()
    matrix = models.encode(frame, resumed.features, resumed.categories)
    resumed.estimator.set_params(max_iter=6).fit(matrix, frame["is_late"].to_numpy())
    assert models.dumps(replace(resumed, iterations=6)) == models.dumps(fitted(iterations=6))


def test_a_loaded_model_predicts_exactly_what_the_fitted_one_did() -> None:
    model, data = fitted(), models.dumps(fitted())
    loaded = models.loads(data, hashlib.sha256(data).hexdigest())
    probabilities = models.predict_probability(loaded, flights())
    assert np.array_equal(probabilities, models.predict_probability(model, flights()))
    assert 0 < probabilities.min() < probabilities.max() < 1


def test_different_models_write_different_bytes() -> None:
    assert models.dumps(fitted(iterations=5)) != models.dumps(fitted(iterations=6))


def test_changed_bytes_are_refused_with_both_hashes() -> None:
    data = models.dumps(fitted())
    with pytest.raises(ObjectCorruptError, match="Expected 0000; got"):
        models.loads(data[:-1] + b"x", "0000")


def test_a_truncated_file_is_refused() -> None:
    data = models.dumps(fitted())[:2000]
    with pytest.raises(ObjectCorruptError, match="cannot be read"):
        models.loads(data, hashlib.sha256(data).hexdigest())


def test_a_type_that_nobody_declared_is_refused() -> None:
    data = models.dumps(models.TabularModel(multiprocessing.Process, (), {}))
    with pytest.raises(ObjectCorruptError, match="Process"):
        models.loads(data, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("rows", [1, models.FEW_ROWS])
def test_few_rows_are_encoded_as_many_are(rows: int) -> None:
    frame = flights().with_columns(pl.col("hour") / 3, whole=pl.col("hour").cast(pl.Int64) + 2**25 + 1)
    features, categories = ("hour", "carrier", "is_late", "whole"), {"carrier": ("AA", "UA")}
    many = models.encode(frame, features, categories)
    few = [models.encode(part, features, categories) for part in frame.iter_slices(rows)]
    np.testing.assert_array_equal(np.concatenate(few), many)


def test_null_and_unknown_values_become_nan() -> None:
    frame = pl.DataFrame({"carrier": ["UA", "ZZ", None], "hour": [1, None, 3], "is_hub": [True, False, None]})
    expected = np.array([[1, 1, 1], [np.nan, np.nan, 0], [3, np.nan, np.nan]])
    for times in (1, models.FEW_ROWS):
        repeated = pl.concat([frame] * times)
        matrix = models.encode(repeated, ["hour", "carrier", "is_hub"], {"carrier": ("AA", "UA")})
        np.testing.assert_array_equal(matrix, np.tile(expected, (times, 1)))


def test_a_missing_feature_is_named() -> None:
    with pytest.raises(DefinitionError, match="no hour"):
        models.predict_probability(fitted(), flights().drop("hour"))


def test_no_rows_give_no_probabilities() -> None:
    assert models.predict_probability(fitted(), flights().clear()).shape == (0,)
