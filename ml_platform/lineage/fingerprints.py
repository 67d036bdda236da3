"""Fingerprints: one hash for everything that a result follows from.

Belongs here: hashing values. Does not: which code (`code`) or which packages (`environment`) a result follows from.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from enum import Enum
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel


def fingerprint(**parts: Any) -> str:
    """Sha256 (hex) of named parts: scalars, dates, None, enums, models, and mappings, sequences and sets of these.

    Types count (1, 1.0, "1" and True all differ), and so does the order of a sequence; the order of names, of a mapping
    and of a set does not.

    Raises:
        TypeError: a part is of a kind that has no canonical form.
    """
    canonical = json.dumps(_tagged(parts), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _tagged(value: Any) -> list[Any]:
    if isinstance(value, Enum):
        return ["enum", type(value).__qualname__, value.name]
    if value is None or isinstance(value, bool | int | str):
        return [type(value).__name__, value]
    if isinstance(value, float):
        return ["float", float.hex(value + 0.0)]
    if isinstance(value, bytes | dt.date | dt.time | dt.timedelta | PurePath):
        return [type(value).__name__, _text(value)]
    return _tagged_collection(value)


def _tagged_collection(value: Any) -> list[Any]:
    if isinstance(value, BaseModel):
        return ["model", type(value).__qualname__, _tagged(dict(value))]
    if isinstance(value, Mapping):
        return ["mapping", sorted(([_tagged(key), _tagged(item)] for key, item in value.items()), key=json.dumps)]
    if isinstance(value, Set):
        return ["set", sorted((_tagged(item) for item in value), key=json.dumps)]
    if isinstance(value, Sequence):
        return ["sequence", [_tagged(item) for item in value]]
    raise TypeError(f"{type(value).__qualname__} has no canonical form; give its fields or its own hash instead")


def _text(value: bytes | dt.date | dt.time | dt.timedelta | PurePath) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.timedelta):
        return str(value // dt.timedelta(microseconds=1))
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
