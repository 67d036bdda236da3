"""Unit, owner and personal data of a contract's columns, and how values of personal columns are kept from being shown.

A column is declared with metadata: `dy.String(metadata={**ALWAYS, **personal("leads to its owner")})`. Tables hold the
values, since work is done with them; whatever is read besides (errors, logs, metadata, cards, traces) shows a mask.

Belongs here: the declarations and the mask. Does not: where the UI shows them (`components.tables`).
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import dataframely as dy
import polars as pl

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
Contract = type[dy.Schema]

MASK = "(personal)"
"""Stands where the value of a personal column would stand."""

_PERSONAL, _OWNER = "personal", "owner"
_UNITS = {
    "celsius": "°C",
    "days": "days",
    "degrees": "degrees",
    "fahrenheit": "°F",
    "feet": "feet",
    "flights": "flights",
    "hours": "hours",
    "inches": "inches",
    "km": "km",
    "metres": "metres",
    "miles": "miles",
    "millibars": "mbar",
    "minute": "minutes",
    "minutes": "minutes",
    "mph": "mph",
    "percent": "%",
    "rate": "0 to 1",
    "rows": "rows",
    "seconds": "seconds",
    "share": "0 to 1",
    "year": "year",
}
_WINDOW = re.compile(r"_\d+[a-z]+$")
_VALUES = re.compile(r"\[.*|\"[^\"]*\"")


def personal(why: str) -> dict[str, Any]:
    """Column metadata: the value leads to a person, and `why` says how; it is masked wherever it is shown."""
    return {_PERSONAL: why}


def owned_by(owner: str) -> dict[str, Any]:
    """Column metadata: who answers for the column (`team:<name>` or an address), where it is not the table's owner."""
    return {_OWNER: owner}


def personal_columns(contract: Contract) -> Mapping[str, str]:
    """The columns that lead to a person, and how."""
    return _declared(contract, _PERSONAL)


def column_owners(contract: Contract) -> Mapping[str, str]:
    """The columns that somebody else than the table's owner answers for, and who."""
    return _declared(contract, _OWNER)


def unit_of(name: str, dtype: pl.DataType) -> str:
    """The unit that a column's name ends in, `minutes` of `arrival_delay_minutes_4h`; empty where there is none."""
    if isinstance(dtype, pl.Datetime):
        return dtype.time_zone or "local time"
    words = _WINDOW.sub("", name).split("_")
    return next((_UNITS[word] for word in reversed(words) if word in _UNITS), "") if dtype.is_numeric() else ""


def masked(frame: Frame, contract: Contract, suffixes: Sequence[str] = ("",)) -> Frame:
    """`frame` with the mask in place of each value of a personal column; null stays null, other columns as they are.

    A column counts as the contract's with any of `suffixes` behind its name.
    """
    present = frame.lazy().collect_schema().names()
    named = [f"{name}{suffix}" for name in personal_columns(contract) for suffix in suffixes]
    hidden = [name for name in named if name in present]
    return frame.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.lit(MASK)).otherwise(None).alias(name) for name in hidden
    )


def masked_value(value: object, column: str, contract: Contract) -> object:
    """One value as it may be shown."""
    return MASK if value is not None and column in personal_columns(contract) else value


def masked_values(values: Sequence[object], columns: Sequence[str], contract: Contract) -> tuple[object, ...]:
    """Several values of one row, such as its key, as they may be shown."""
    return tuple(masked_value(value, column, contract) for value, column in zip(values, columns, strict=True))


def masked_json(row: str, contract: Contract) -> str:
    """A row written as a JSON object, as it may be shown."""
    values: dict[str, object] = json.loads(row)
    shown = {name: masked_value(value, name, contract) for name, value in values.items()}
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def without_values(error: Exception) -> str:
    """What a library said of rows, without the values that it quotes: its first line up to a list, strings masked."""
    first = str(error).partition("\n")[0]
    return _VALUES.sub(MASK, first)


def _declared(contract: Contract, key: str) -> dict[str, str]:
    found = {name: (column.metadata or {}).get(key) for name, column in contract.columns().items()}
    return {name: str(told) for name, told in found.items() if told}
