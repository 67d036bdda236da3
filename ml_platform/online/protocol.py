"""MLflow's scoring protocol: rows of features in the forms that its clients send, without pandas.

Belongs here: bodies of `/invocations`. Does not: scoring (`service`), or rows of the use case (`requests`).
"""

import io
import json
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from ml_platform.errors import RequestRefusedError
from ml_platform.serving.rungs import Features
from ml_platform.tracking.few_rows import FewRows, as_frame
from ml_platform.tracking.models import FEW_ROWS
from ml_platform.tracking.registry import RegisteredModel

Types: TypeAlias = Mapping[str, pl.DataType]
Columns: TypeAlias = Mapping[str, Sequence[Any]]

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def features_of(body: bytes, media_type: str, types: Types, most_rows: int) -> Features:
    """The features that a request brings: the columns of `types`, each text or numbers.

    Columns that the model does not read are left out, as MLflow does.

    Raises:
        RequestRefusedError: it is in no form that is known, a column is missing, or a value is no number.
    """
    try:
        given = _csv(body, types) if media_type == "text/csv" else _json(body)
    except (ValueError, RecursionError, pl.exceptions.PolarsError) as error:
        raise RequestRefusedError(f"The body cannot be read: {type(error).__name__}", expected=_EXPECTED) from None
    if missing := [name for name in types if name not in given]:
        raise RequestRefusedError(f"The request lacks {len(missing)} column(s): {', '.join(missing)}")
    columns = {name: given[name] for name in types}
    lengths = {*map(len, columns.values())}
    if len(lengths) != 1 or 0 in lengths:
        raise RequestRefusedError("The columns are not equally long, or there is no row", expected="rows")
    if (rows := lengths.pop()) > most_rows:
        raise RequestRefusedError(f"The request has {rows} rows", expected=f"up to {most_rows}", code="too_large")
    found = FewRows(types, list(_valid(columns, types).values()))
    return found if rows <= FEW_ROWS else as_frame(found)


def media_types() -> tuple[str, ...]:
    """What a body may be."""
    return "application/json", "text/csv"


def shown(version: RegisteredModel) -> dict[str, str]:
    """The version as headers of an answer, whose body is MLflow's."""
    return {"x-model-version": str(version.version), "x-model-sha256": version.sha256}


_LARGEST = float(np.finfo(np.float32).max)
_EXPECTED = f"JSON with one of {', '.join(FORMS)}, or text/csv"


def _json(body: bytes) -> Columns:
    content = json.loads(body)
    form = next((form for form in FORMS if isinstance(content, dict) and form in content), None)
    if form is None:
        raise ValueError("no form")
    data = content[form]
    if form == "dataframe_split":
        return _by_column(data["columns"], data["data"]) if _is_split(data) else _wrong()
    if isinstance(data, dict):
        return {name: values if isinstance(values, list) else [values] for name, values in data.items()}
    return _of_records(data)


def _is_split(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("columns"), list) and isinstance(data.get("data"), list)


def _by_column(columns: Sequence[Any], rows: Sequence[Any]) -> Columns:
    if any(not isinstance(row, list) or len(row) != len(columns) for row in rows):
        _wrong()
    names = map(str, columns)
    return dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())


def _of_records(data: Any) -> Columns:
    if not isinstance(data, list) or not data or any(not isinstance(row, dict) for row in data):
        _wrong()
    names = dict.fromkeys(name for row in data for name in row)
    return {name: [row.get(name) for row in data] for name in names}


def _wrong() -> Any:
    raise ValueError("another shape than its form has")


def _csv(body: bytes, types: Types) -> Columns:
    texts = pl.read_csv(io.BytesIO(body), infer_schema=False)
    return {name: _as_type(texts[name], types[name]).to_list() for name in types if name in texts.columns}


def _as_type(texts: pl.Series, dtype: pl.DataType) -> pl.Series:
    try:
        return texts.cast(dtype)
    except pl.exceptions.InvalidOperationError:
        raise RequestRefusedError(f"Column '{texts.name}' is no number in some row") from None


def _valid(columns: Columns, types: Types) -> Columns:
    """The columns, numbers as floats, once all values are seen to be of their kind and of a size that a model takes.

    All of a kind are looked at together: of a few rows, column by column takes longer than all else.
    """
    texts = {name: values for name, values in columns.items() if isinstance(types[name], pl.String)}
    numbers = {name: values for name, values in columns.items() if name not in texts}
    _require_kind(texts, "text", (str, type(None)))
    _require_characters(texts)
    _require_kind(numbers, "number", (int, float, bool, type(None)))
    if any(map(_is_too_large, chain.from_iterable(numbers.values()))):
        name = next(name for name, values in numbers.items() if any(map(_is_too_large, values)))
        raise RequestRefusedError(f"Column '{name}' has a number that is too large for a model")
    floats = {name: [None if value is None else float(value) for value in values] for name, values in numbers.items()}
    return {**columns, **floats}


def _require_kind(columns: Columns, kind: str, allowed: Collection[type]) -> None:
    if not {*map(type, chain.from_iterable(columns.values()))}.issubset(allowed):
        name = next(name for name, values in columns.items() if not {*map(type, values)}.issubset(allowed))
        raise RequestRefusedError(f"Column '{name}' is no {kind} in some row")


def _require_characters(texts: Columns) -> None:
    """Pass if no text has half of a pair that JSON may escape and nothing else can hold, as `\\ud800`."""
    for name, values in texts.items():
        try:
            "".join(value or "" for value in values).encode()
        except UnicodeEncodeError:
            raise RequestRefusedError(f"Column '{name}' has a text that is no Unicode in some row") from None


def _is_too_large(value: float | None) -> bool:
    return value is not None and abs(value) > _LARGEST  # false of NaN, which is a missing value
