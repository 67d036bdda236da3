"""Trees laid out as a table give the bits that scikit-learn gives."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from ml_platform.tracking.compact_trees import FEW_ROWS, CompactTrees, compact
from ml_platform.tracking.models import TabularModel

ROWS, COLUMNS = 600, 5


def matrix(seed: int, rows: int = ROWS) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Numbers of which one in five is missing, and in each column one of the greatest and the least there are."""
    random = np.random.default_rng(seed)
    made = random.normal(size=(rows, COLUMNS)).astype(np.float32)
    made[random.random(made.shape) < 0.2] = np.nan
    made[0], made[1] = np.finfo(np.float32).max, np.finfo(np.float32).min
    return made


def fitted(classes: int) -> TabularModel:
    """Trees with leaves at different depths, for two or more classes."""
    x = matrix(1)
    clipped = np.clip(np.nan_to_num(x, nan=0.3), -3, 3)
    y = clipped[:, 0] * 2 + clipped[:, 1] ** 2
    labels = np.digitize(y, np.quantile(y, np.linspace(0, 1, classes + 1)[1:-1]))
    estimator = HistGradientBoostingClassifier(max_iter=40, min_samples_leaf=3, random_state=0).fit(x, labels)
    return TabularModel(estimator, tuple("abcde"), {})


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("rows", [1, 2, FEW_ROWS, FEW_ROWS + 1])
def test_rows_have_the_bits_of_scikit_learn_however_many_are_asked_at_once(classes: int, rows: int) -> None:
    model, asked = fitted(classes), matrix(2, 200)
    parts = [compact(model).estimator.predict_proba(asked[at : at + rows]) for at in range(0, len(asked), rows)]
    assert np.array_equal(np.concatenate(parts), model.estimator.predict_proba(asked))


def test_a_model_of_another_kind_or_with_categories_is_left_as_it_is() -> None:
    model, x = fitted(2), np.nan_to_num(np.abs(matrix(1)[2:])) % 3 // 1
    y = x[:, 0] > 0
    by_category = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]).fit(x, y)
    others = [replace(model, estimator=each) for each in (by_category, LogisticRegression().fit(x, y))]
    assert [compact(each) for each in others] == others
    assert isinstance(compact(model).estimator, CompactTrees)
