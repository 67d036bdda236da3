"""Content hashes: one sha256 per frame, over bytes that depend on its values and on nothing else.

Two frames have one hash exactly when they have the same column names, types and values in the same row order. The
order of the columns, the layout in memory, library versions, the sign of a zero and the bits of a NaN do not matter.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray


class Span(NamedTuple):
    """Rows `start` to `stop` (exclusive) of a frame."""

    start: int
    stop: int


class _Column(NamedTuple):
    """One column as bytes: a header, where it is null, and either fixed-width values or lengths plus a text buffer."""

    header: bytes
    is_null: NDArray[np.bool_] | None
    values: NDArray[np.generic]
    text: bytes
    text_offsets: NDArray[np.int64] | None


def content_hash(frame: pl.DataFrame) -> str:
    """Sha256 (hex) of the values of `frame` in its row order."""
    return content_hashes(frame, [Span(0, frame.height)])[0]


def content_hashes(frame: pl.DataFrame, spans: Sequence[Span]) -> list[str]:
    """Sha256 (hex) of each span of `frame`: the `content_hash` of that slice, without the cost of slicing."""
    columns = [_encode(frame.get_column(name)) for name in sorted(frame.columns)]
    return [_hash_span(columns, span) for span in spans]


def root_hash(hashes: Mapping[str, str]) -> str:
    """Sha256 (hex) of a set of partitions, from the content hash of each."""
    digest = hashlib.sha256()
    for key in sorted(hashes):
        digest.update(_delimited(key.encode()) + _delimited(hashes[key].encode()))
    return digest.hexdigest()


def type_name(dtype: pl.DataType) -> str:
    """Name of a type that no release of a library changes."""
    if isinstance(dtype, pl.Datetime):
        return f"Datetime[{dtype.time_unit},{dtype.time_zone}]"
    if isinstance(dtype, pl.Decimal):
        return f"Decimal[{dtype.precision},{dtype.scale}]"
    if isinstance(dtype, pl.List):
        return f"List[{type_name(_instance(dtype.inner))}]"
    if isinstance(dtype, pl.Struct):
        return f"Struct[{','.join(f'{f.name}:{type_name(_instance(f.dtype))}' for f in dtype.fields)}]"
    return dtype.base_type().__name__


def _instance(dtype: object) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else pl.Series([], dtype=dtype).dtype  # type: ignore[arg-type]


def _encode(series: pl.Series) -> _Column:
    header = _delimited(series.name.encode()) + _delimited(type_name(series.dtype).encode())
    is_null = series.is_null().to_numpy() if series.null_count() else None
    if (series.dtype.is_numeric() and not series.dtype.is_decimal()) or series.dtype.is_temporal():
        return _Column(header, is_null, _fixed_width(series.to_physical()), b"", None)
    if series.dtype == pl.Boolean:
        return _Column(header, is_null, _fixed_width(series.cast(pl.UInt8)), b"", None)
    texts = _as_text(series).fill_null("")
    lengths = texts.str.len_bytes().cast(pl.Int64).to_numpy()
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])
    return _Column(header, is_null, lengths, "".join(texts).encode(), offsets)


def _fixed_width(series: pl.Series) -> NDArray[np.generic]:
    values = np.ascontiguousarray(series.fill_null(0).to_numpy())
    if values.dtype.kind == "f":
        values = values + values.dtype.type(0)  # minus zero plus zero is zero
        values[np.isnan(values)] = np.nan
    return values.astype(values.dtype.newbyteorder("<"), copy=False)


def _as_text(series: pl.Series) -> pl.Series:
    if series.dtype == pl.String:
        return series
    if series.dtype == pl.Binary:
        return series.bin.encode("hex")
    rows: Iterable[object] = series.to_list()
    return pl.Series(series.name, [json.dumps(row, sort_keys=True, default=str) for row in rows], dtype=pl.String)


def _hash_span(columns: Sequence[_Column], span: Span) -> str:
    digest = hashlib.sha256(struct.pack("<qq", len(columns), span.stop - span.start))
    for column in columns:
        digest.update(column.header)
        is_null = None if column.is_null is None else column.is_null[span.start : span.stop]
        if is_null is not None and is_null.any():
            digest.update(b"\x01")
            digest.update(np.packbits(is_null).data)
        else:
            digest.update(b"\x00")
        digest.update(column.values[span.start : span.stop].data)
        if column.text_offsets is not None:
            digest.update(column.text[column.text_offsets[span.start] : column.text_offsets[span.stop]])
    return digest.hexdigest()


def _delimited(data: bytes) -> bytes:
    return struct.pack("<q", len(data)) + data
