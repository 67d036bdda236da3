"""MLflow's scoring protocol: rows of features in the forms that its clients send, without pandas.

Belongs here: bodies of `/invocations`. Does not: scoring (`service`), or rows of the use case (`requests`).
"""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from ml_platform.errors import RequestRefusedError
from ml_platform.tracking.registry import RegisteredModel

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def features_of(body: bytes, media_type: str, columns: Mapping[str, bool], most_rows: int) -> pl.DataFrame:
    """The features that a request brings: of each column in `columns`, text where it is true and numbers elsewhere.

    Columns that the model does not read are left out, as MLflow does.

    Raises:
        RequestRefusedError: it is in no form that is known, a column is missing, or a value is no number.
    """
    try:
        given = _csv(body, columns) if media_type == "text/csv" else _json(body)
    except (ValueError, RecursionError, pl.exceptions.PolarsError) as error:
        raise RequestRefusedError(f"The body cannot be read: {type(error).__name__}", expected=_EXPECTED) from None
    if missing := [name for name in columns if name not in given]:
        raise RequestRefusedError(f"The request lacks {len(missing)} column(s): {', '.join(missing)}")
    lengths = {len(given[name]) for name in columns}
    if len(lengths) != 1 or 0 in lengths:
        raise RequestRefusedError("The columns are not equally long, or there is no row", expected="rows")
    if (rows := lengths.pop()) > most_rows:
        raise RequestRefusedError(f"The request has {rows} rows", expected=f"up to {most_rows}", code="too_large")
    types = {name: pl.String() if is_text else pl.Float64() for name, is_text in columns.items()}
    return _frame({name: _column(name, given[name], is_text) for name, is_text in columns.items()}, types)


def media_types() -> tuple[str, ...]:
    """What a body may be."""
    return "application/json", "text/csv"


def shown(version: RegisteredModel) -> dict[str, str]:
    """The version as headers of an answer, whose body is MLflow's."""
    return {"x-model-version": str(version.version), "x-model-sha256": version.sha256}


_LARGEST = float(np.finfo(np.float32).max)
_EXPECTED = f"JSON with one of {', '.join(FORMS)}, or text/csv"


def _json(body: bytes) -> Mapping[str, Sequence[Any]]:
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


def _by_column(columns: Sequence[Any], rows: Sequence[Any]) -> Mapping[str, Sequence[Any]]:
    if any(not isinstance(row, list) or len(row) != len(columns) for row in rows):
        _wrong()
    return {str(name): [row[place] for row in rows] for place, name in enumerate(columns)}


def _of_records(data: Any) -> Mapping[str, Sequence[Any]]:
    if not isinstance(data, list) or not data or any(not isinstance(row, dict) for row in data):
        _wrong()
    names = dict.fromkeys(name for row in data for name in row)
    return {name: [row.get(name) for row in data] for name in names}


def _wrong() -> Any:
    raise ValueError("another shape than its form has")


def _csv(body: bytes, columns: Mapping[str, bool]) -> Mapping[str, Sequence[Any]]:
    types = {name: pl.String if is_text else pl.Float64 for name, is_text in columns.items()}
    frame = pl.read_csv(io.BytesIO(body), schema_overrides=types)
    return {name: frame[name].to_list() for name in frame.columns}


def _column(name: str, values: Sequence[Any], is_text: bool) -> Sequence[str | float | None]:
    """The values, once they are seen to be of one kind and of a size that a model takes."""
    allowed: tuple[type, ...] = (str,) if is_text else (int, float)
    if any(value is not None and not isinstance(value, allowed) for value in values):
        raise RequestRefusedError(f"Column '{name}' is no {'text' if is_text else 'number'} in some row")
    if is_text:
        return values
    if any(value is not None and abs(value) > _LARGEST for value in values):  # false of NaN, which is a missing value
        raise RequestRefusedError(f"Column '{name}' has a number that is too large for a model")
    return [None if value is None else float(value) for value in values]


def _frame(columns: Mapping[str, Sequence[str | float | None]], types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The columns as a frame; of one row it is made at once, which costs less."""
    if len(next(iter(columns.values()))) == 1:
        return pl.DataFrame([[value for [value] in columns.values()]], schema=types, orient="row")
    return pl.DataFrame(columns, schema=types)
