"""Gradient-boosted trees of scikit-learn as one table, for a few rows at a time: the same bits, without a call a tree.

Belongs here: rows through all trees of a model at once. Does not: rows out of frames, or a model's bytes (`models`).

scikit-learn checks its input and goes through a model tree by tree, a call each; for one row that is nearly all of the
time. Here the nodes of all trees are one table. All of them are asked at once which way the row would go on, and then
all trees go down that way together. The leaves are added up in the order of the trees, as scikit-learn adds them.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml_platform.tracking.models import TabularModel

FEW_ROWS = 16
"""Up to so many rows cost less here than in scikit-learn."""
Floats = NDArray[np.float64]
Places = NDArray[np.intp]


class _Nodes(NamedTuple):
    """The nodes of all trees, each at its place; a leaf leads to itself."""

    feature: Places
    threshold: Floats
    is_missing_left: NDArray[np.bool_]
    left: Places
    right: Places
    value: Floats

    def next_of(self, row: NDArray[np.float32]) -> Places:
        """Where the row goes on from each node."""
        asked = row.astype(np.float64)[self.feature]
        is_left = asked <= self.threshold  # false of NaN
        is_left |= np.isnan(asked) & self.is_missing_left
        return np.where(is_left, self.left, self.right)


class CompactTrees:
    """A fitted classifier of scikit-learn that answers for few rows from a table, and for many as it is."""

    def __init__(self, estimator: Any) -> None:
        """Lay out the trees of a fitted estimator."""
        self._estimator = estimator
        trees = [tree.nodes for iteration in estimator._predictors for tree in iteration]
        self._roots = np.cumsum([0, *map(len, trees)])[:-1].astype(np.intp)
        self._depth = max(int(nodes["depth"].max()) for nodes in trees)
        self._nodes = _nodes(np.concatenate(trees), np.repeat(self._roots, [len(nodes) for nodes in trees]))
        self._first = np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(1, -1)

    def predict_proba(self, matrix: NDArray[np.float32]) -> Floats:
        """Probability of each class, shape (rows, classes)."""
        if len(matrix) > FEW_ROWS:
            return np.asarray(self._estimator.predict_proba(matrix), dtype=np.float64)
        return np.asarray(self._estimator._loss.predict_proba(self._raw(matrix)), dtype=np.float64)

    def _raw(self, matrix: NDArray[np.float32]) -> Floats:
        """The sum of the trees before the link, shape (rows, outputs)."""
        return np.asfortranarray([self._sum(row) for row in matrix])

    def _sum(self, row: NDArray[np.float32]) -> Floats:
        next_of, at = self._nodes.next_of(row), self._roots
        for _ in range(self._depth):
            at = next_of[at]
        leaves = self._nodes.value[at].reshape(-1, self._first.shape[1])
        added: Floats = np.concatenate([self._first, leaves]).cumsum(axis=0)[-1]
        return added


def compact(model: TabularModel) -> TabularModel:
    """The same model, faster for few rows if it is one of trees that split by numbers alone, else as it is."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    estimator = model.estimator
    if not isinstance(estimator, HistGradientBoostingClassifier) or estimator._preprocessor is not None:
        return model
    return replace(model, estimator=CompactTrees(estimator))


def _nodes(nodes: NDArray[Any], root: Places) -> _Nodes:
    """The table of nodes whose children are counted from the root of their tree, `root`."""
    itself, is_leaf = np.arange(len(nodes), dtype=np.intp), nodes["is_leaf"].astype(bool)
    left, right = (np.where(is_leaf, itself, nodes[side].astype(np.intp) + root) for side in ("left", "right"))
    feature = np.where(is_leaf, 0, nodes["feature_idx"]).astype(np.intp)
    is_missing_left = nodes["missing_go_to_left"].astype(bool)
    return _Nodes(feature, nodes["num_threshold"].copy(), is_missing_left, left, right, nodes["value"].copy())
