"""Model bytes: canonical skops files, and predictions from a frame.

Belongs here: how a fitted model becomes bytes, comes back, and scores a frame; both training and serving go through it.
Does not: how a model is fitted. scikit-learn and skops are imported on first use.

A file is canonical: the same fitted model gives the same bytes in every process, because object ids are left out,
members are named by their content, ordered, uncompressed and dated 1980. Objects that the model holds twice become two.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.errors import DefinitionError, ObjectCorruptError
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.tracking.few_rows import FewRows, as_frame

TRUSTED_TYPES = (
    "functools.partial",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
)
"""What a model file may hold beside the types that skops trusts by itself (numpy, scikit-learn estimators).

Trees hold places in memory that scikit-learn does not check: they are safe only in a file whose hash was recorded.
"""

_RESTORE = "Restore the object from a backup, or materialize the model again: equal inputs give equal bytes."
FORMAT = 1
"""Version of the mapping in a model file: format, trainer, iterations, features, categories, estimator; and the task,
unless it is a binary one."""
OFFSETS = "offsets"
WIDENED_BY = "widened_by"
FEW_ROWS = 64
_HEADER_BYTES = 1024  # of an array's file; padding between fields is named there


@dataclass(frozen=True)
class TabularModel:
    """A fitted estimator with the columns it reads, in order, and the known values of those that are text.

    `trainer` names what fitted it and `iterations` how far, so that a checkpoint can be continued. The estimator of a
    forecast is a mapping: one for each of `lower`, `prediction` and `upper`, or one and the `offsets` of its interval;
    and by what share of its width each end of an interval moves out, `widened_by`.
    """

    estimator: Any
    features: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    trainer: str = ""
    iterations: int = 0
    task: Task = BINARY


def learn_categories(frame: pl.DataFrame, features: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Sorted distinct values of each text column among `features`; code i of a value is its place here."""
    text = [name for name in features if frame.schema[name] == pl.String]
    return {name: tuple(frame[name].drop_nulls().unique().sort()) for name in text}


def encode(
    frame: pl.DataFrame | FewRows, features: Sequence[str], categories: Mapping[str, Sequence[str]]
) -> NDArray[np.float32]:
    """Matrix of shape (rows, features): numbers as they are, text as its code, null or an unknown value as NaN.

    Raises:
        DefinitionError: a feature is missing from `frame`.
    """
    known = set(frame.columns)
    if missing := [name for name in features if name not in known]:
        raise DefinitionError(
            f"The frame to score lacks {len(missing)} feature(s) of the model",
            expected=", ".join(features),
            got=f"no {', '.join(missing)}",
            remedy="Score with the feature table that the model was trained on, or train a new version.",
        )
    if frame.height <= FEW_ROWS:
        return _encode_few(frame, features, categories)
    columns = [_as_number(name, categories.get(name)) for name in features]
    return as_frame(frame).select(columns).to_numpy(order="fortran")


def _encode_few(
    frame: pl.DataFrame | FewRows, features: Sequence[str], categories: Mapping[str, Sequence[str]]
) -> NDArray[np.float32]:
    """The same row by row, without a query, which costs more than a few rows."""
    places = {name: place for place, name in enumerate(frame.columns)}
    codes = {name: {value: code for code, value in enumerate(known)} for name, known in categories.items()}
    columns = [(places[name], codes.get(name)) for name in features]
    rows = [
        [row[place] if known is None else known.get(row[place]) for place, known in columns]
        for row in frame.iter_rows()
    ]
    return np.array(rows, dtype=np.float32, order="F").reshape(frame.height, len(features))  # None becomes NaN


def predict(model: TabularModel, frame: pl.DataFrame | FewRows) -> NDArray[np.float64]:
    """The prediction for each row of `frame`, in its order and in the form of the model's task.

    Raises:
        DefinitionError: a feature is missing from `frame`.
    """
    if not frame.height:
        widths = {"multiclass": len(model.task.classes), "forecast": len(model.task.levels)}
        return np.empty((0, widths[model.task.kind]) if model.task.kind in widths else 0, dtype=np.float64)
    return predict_matrix(model, encode(frame, model.features, model.categories))


def predict_probability(model: TabularModel, frame: pl.DataFrame) -> NDArray[np.float64]:
    """Probability of the positive class for each row of `frame`, as a binary model gives it.

    Raises:
        DefinitionError: a feature is missing from `frame`.
    """
    return predict(model, frame)


def predict_matrix(model: TabularModel, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """The same from rows that are encoded already."""
    match model.task.kind:
        case "binary":
            predicted = model.estimator.predict_proba(matrix)[:, 1]
        case "multiclass":
            predicted = np.zeros((len(matrix), len(model.task.classes)))
            predicted[:, model.estimator.classes_] = model.estimator.predict_proba(matrix)
        case "regression":
            predicted = model.estimator.predict(matrix)
        case "forecast":
            predicted = _forecast(model.estimator, matrix)
    return np.asarray(predicted, dtype=np.float64)


def dumps(model: TabularModel) -> bytes:
    """Canonical skops file of `model`: equal models give equal bytes, in any process."""
    import skops.io

    content = {
        "format": FORMAT,
        "trainer": model.trainer,
        "iterations": model.iterations,
        "features": list(model.features),
        "categories": {name: list(values) for name, values in sorted(model.categories.items())},
        "estimator": model.estimator,
        **({} if model.task == BINARY else {"task": model.task.model_dump_json()}),
    }
    return _canonical_file(skops.io.dumps(content))


def loads(data: bytes, sha256: str) -> TabularModel:
    """The model in the skops file `data`, once its hash is `sha256` and every type in it is trusted.

    Raises:
        ObjectCorruptError: the bytes are not the recorded ones, hold a type outside `TRUSTED_TYPES`, or are no model.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise _corrupt("The bytes of a model are not those that were recorded", sha256, f"{found} ({len(data)} bytes)")
    try:
        content = skops.io.loads(data, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        trusted = f"scikit-learn's own and {', '.join(TRUSTED_TYPES)}"
        raise _corrupt(
            "A model file holds types that nobody declared safe to load",
            trusted,
            str(error).splitlines()[0],
            remedy="If the type is meant to be there and is safe, add it to TRUSTED_TYPES in tracking/models.py.",
        ) from error
    except (BadZipFile, KeyError, ValueError, TypeError) as error:
        raise _corrupt("A model file cannot be read", "a skops file", str(error)) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _corrupt("A skops file holds no model of this platform", f"format {FORMAT}", type(content).__name__)
    return TabularModel(
        estimator=content["estimator"],
        features=tuple(content["features"]),
        categories={name: tuple(values) for name, values in content["categories"].items()},
        trainer=content["trainer"],
        iterations=content["iterations"],
        task=Task.model_validate_json(content["task"]) if "task" in content else BINARY,
    )


def _forecast(estimator: Mapping[str, Any], matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Lower end, value and upper end; quantiles that were fitted apart and cross are put in order."""
    value = np.asarray(estimator["prediction"].predict(matrix), dtype=np.float64)
    if OFFSETS in estimator:
        return _widened(value[:, None] + estimator[OFFSETS], estimator)
    ends = [np.asarray(estimator[end].predict(matrix), dtype=np.float64) for end in ("lower", "upper")]
    return _widened(np.sort(np.stack([ends[0], value, ends[1]], axis=1), axis=1), estimator)


def _widened(forecast: NDArray[np.float64], estimator: Mapping[str, Any]) -> NDArray[np.float64]:
    """The same values with intervals that are wider, or narrower, by a share of their width; values stay inside."""
    lower, value, upper = forecast.T
    margin = estimator.get(WIDENED_BY, 0.0) * (upper - lower)
    return np.stack([np.minimum(lower - margin, value), value, np.maximum(upper + margin, value)], axis=1)


def _corrupt(what: str, expected: str, got: str, remedy: str = _RESTORE) -> ObjectCorruptError:
    return ObjectCorruptError(
        what,
        expected=expected,
        got=got,
        kept="Nothing was loaded.",
        remedy=remedy,
    )


def _canonical_file(data: bytes) -> bytes:
    with ZipFile(io.BytesIO(data)) as source:
        members = {name: _unpadded(source.read(name)) for name in source.namelist() if name != "schema.json"}
        schema = json.loads(source.read("schema.json"))
    names = {name: f"{hashlib.sha256(content).hexdigest()}{_suffix(name)}" for name, content in members.items()}
    content = {names[name]: member for name, member in members.items()}
    content["schema.json"] = json.dumps(_canonical(schema, names), separators=(",", ":")).encode()
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as target:
        for name in sorted(content):
            target.writestr(ZipInfo(name), content[name])
    return buffer.getvalue()


def _unpadded(member: bytes) -> bytes:
    """The file with zeros between the fields of an array of records, such as a tree, where memory is left as it was."""
    if b"'|V" not in member[:_HEADER_BYTES]:
        return member
    array = np.load(io.BytesIO(member), allow_pickle=False)
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names or ():
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _as_number(name: str, categories: Sequence[str] | None) -> pl.Expr:
    column = pl.col(name)
    if categories is not None:
        codes = list(range(len(categories)))
        column = column.replace_strict(list(categories), codes, default=None, return_dtype=pl.Float32)
    return column.cast(pl.Float32).fill_null(float("nan"))


def _canonical(node: Any, names: Mapping[str, str]) -> Any:
    """A schema without object ids, with attributes in order and with files named by content."""
    if isinstance(node, list):
        return [_canonical(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    clean = {key: _canonical(value, names) for key, value in node.items() if key != "__id__"}
    if isinstance(clean.get("file"), str):
        clean["file"] = names[clean["file"]]
    if clean.get("__loader__") == "ObjectNode" and isinstance(clean.get("content"), dict):
        attributes = clean["content"].get("content")
        if isinstance(attributes, dict):
            clean["content"]["content"] = dict(sorted(attributes.items()))
    return clean


def _suffix(name: str) -> str:
    return name[name.rfind(".") :] if "." in name else ""
