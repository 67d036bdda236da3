"""Fitted models and their bytes: skops files, canonical, verified by hash, restricted to types on an allow-list.

Equal models have equal bytes, whichever process made them: the archive's time stamps, member order, member names and
object numbers, which skops takes from the clock and from memory addresses, are replaced by ones that follow from the
content.

Belongs here: what a fitted model is, saving and loading it. Does not: fitting (`trainers`) or where the bytes are kept.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from skops.io import dumps as skops_dumps
from skops.io import loads as skops_loads
from skops.io.exceptions import UntrustedTypesFoundException
from threadpoolctl import threadpool_limits

from ml_platform.errors import ObjectCorruptError
from ml_platform.training.encoding import Encoding
from ml_platform.training.metrics import FloatArray

TRUSTED_TYPES = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", "numpy.dtype")
FORMAT = 1
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class FittedModel:
    """An estimator, how its input is encoded and how far it was fitted."""

    trainer: str
    encoding: Encoding
    estimator: Any
    iterations: int

    @property
    def features(self) -> tuple[str, ...]:
        """The feature columns that the model reads."""
        return self.encoding.features

    def predict_proba(self, frame: pl.DataFrame, threads: int = 1) -> FloatArray:
        """The probability of True for each row, in the order of the rows; the same for any number of threads.

        Raises:
            DefinitionError: a feature is not in the frame.
        """
        with threadpool_limits(threads):
            probabilities = self.estimator.predict_proba(self.encoding.encode(frame))
        return np.asarray(probabilities[:, 1], dtype=np.float64)

    def advanced(self, estimator: Any, iterations: int) -> "FittedModel":
        """The same model, fitted further."""
        return replace(self, estimator=estimator, iterations=iterations)


class SavedModel(NamedTuple):
    """The bytes of a model and their SHA-256 in hexadecimal."""

    data: bytes
    sha256: str


def dumps(model: FittedModel) -> SavedModel:
    """The canonical bytes of the model: equal models, equal bytes."""
    content = {
        "format": FORMAT,
        "trainer": model.trainer,
        "iterations": model.iterations,
        "features": list(model.encoding.features),
        "categories": {name: list(values) for name, values in model.encoding.categories.items()},
        "estimator": model.estimator,
    }
    data = _canonical(skops_dumps(content))
    return SavedModel(data, hashlib.sha256(data).hexdigest())


def loads(data: bytes, sha256: str | None = None) -> FittedModel:
    """The model of these bytes; `sha256` may be left out only for bytes that were verified before.

    Raises:
        ObjectCorruptError: the hash differs, the bytes are no model, or they hold a type that is not allowed.
    """
    actual = hashlib.sha256(data).hexdigest()
    if sha256 is not None and actual != sha256:
        raise _corrupt("The bytes of a model are not those that were saved", f"SHA-256 {sha256}", f"{actual}")
    try:
        content = skops_loads(data, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        raise _corrupt("A model holds types that may not be loaded", ", ".join(TRUSTED_TYPES), str(error)) from error
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise _corrupt("The bytes of a model cannot be read", "a skops file", f"{len(data)} bytes, {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _corrupt("A file holds something else than a model", f"format {FORMAT}", type(content).__name__)
    categories = {name: tuple(values) for name, values in content["categories"].items()}
    encoding = Encoding(tuple(content["features"]), categories)
    return FittedModel(content["trainer"], encoding, content["estimator"], content["iterations"])


def _corrupt(what: str, expected: str, got: str) -> ObjectCorruptError:
    return ObjectCorruptError(
        what,
        expected=expected,
        got=got,
        kept="Nothing was loaded",
        remedy="Restore the object, or materialize the model again",
    )


def _canonical(data: bytes) -> bytes:
    """The same skops file with names from content hashes, numbers by position, sorted members and a fixed time."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        arrays = {name: source.read(name) for name in source.namelist() if name != "schema.json"}
        schema = json.loads(source.read("schema.json"))
    names = {name: f"{hashlib.sha256(content).hexdigest()}.npy" for name, content in arrays.items()}
    _renumber(schema, names, count=1)
    members = {names[name]: content for name, content in arrays.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(members):
            target.writestr(zipfile.ZipInfo(name, EPOCH), members[name])
        text = json.dumps(schema, separators=(",", ":"))
        target.writestr(zipfile.ZipInfo("schema.json", EPOCH), text, zipfile.ZIP_DEFLATED, 6)
    return buffer.getvalue()


def _renumber(node: Any, names: dict[str, str], count: int) -> int:
    """Number the objects below `node` in the order met and name arrays by content; the next free number."""
    if isinstance(node, list):
        for child in node:
            count = _renumber(child, names, count)
    elif isinstance(node, dict):
        if "__id__" in node:
            node["__id__"], count = count, count + 1
        if node.get("file") in names:
            node["file"] = names[node["file"]]
        for child in node.values():
            count = _renumber(child, names, count)
    return count
