"""Frames to matrices: the one way in which features reach an estimator, in training and in serving alike.

Numbers and booleans become float32; strings become the position of their value among those seen when fitting, and a
value never seen is missing, like null. Missing is nan.

Belongs here: the encoding of feature columns. Does not: making features, which is the use case's own function.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.errors import DefinitionError

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Encoding:
    """Feature columns in order, and for each string column its known values."""

    features: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]

    def encode(self, frame: pl.DataFrame) -> Matrix:
        """One float32 row for each row of the frame, features in order.

        Raises:
            DefinitionError: a feature is not in the frame, or is of a type that cannot be encoded.
        """
        check_features(frame, self.features)
        encoded = frame.select(self._encoded(name) for name in self.features)
        return encoded.to_numpy(order="fortran")

    def _encoded(self, name: str) -> pl.Expr:
        column = pl.col(name)
        if name in self.categories:
            known = list(self.categories[name])
            positions = list(range(len(known)))
            column = column.replace_strict(known, positions, default=None, return_dtype=pl.Float32)
        return column.cast(pl.Float32).fill_null(float("nan"))


def fit_encoding(frame: pl.DataFrame, features: Sequence[str]) -> Encoding:
    """The encoding of these features as the frame shows them; known values are sorted, so row order does not matter.

    Raises:
        DefinitionError: a feature is not in the frame, or is of a type that cannot be encoded.
    """
    check_features(frame, features)
    strings = [name for name in features if frame.schema[name] == pl.String]
    categories = {name: tuple(frame.get_column(name).drop_nulls().unique().sort()) for name in strings}
    return Encoding(tuple(features), categories)


def check_features(frame: pl.DataFrame, features: Sequence[str]) -> None:
    """Accept a frame that has every feature, as a number, a boolean or a string.

    Raises:
        DefinitionError: naming every feature that is missing or of another type.
    """
    missing = [name for name in features if name not in frame.schema]
    unusable = [f"{name} ({frame.schema[name]})" for name in features if _is_unusable(frame, name)]
    if missing or unusable:
        culprits = [f"{name} (missing)" for name in missing] + unusable
        raise DefinitionError(
            f"{len(culprits)} of {len(features)} features cannot be used: {', '.join(culprits)}",
            expected="columns that are numbers, booleans or strings",
            remedy="Make the column in the feature function, or take it out of `features` in training/defs.yaml.",
        )


def _is_unusable(frame: pl.DataFrame, name: str) -> bool:
    kind = frame.schema.get(name)
    return kind is not None and not (kind.is_numeric() or kind in (pl.Boolean, pl.String, pl.Null))
