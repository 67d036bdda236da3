"""The Python of a first version: contract.py, cleaning.py and features.py.

Belongs here: their text. Does not: what is decided (`plan`), or the YAML (`declarations`).
"""

import json
from collections.abc import Iterator

import polars as pl

from ml_platform.starter.columns import Column
from ml_platform.starter.plan import Plan

_TYPES: dict[type[pl.DataType], str] = {
    pl.Date: "Date",
    pl.Boolean: "Bool",
    pl.Int64: "Int64",
    pl.Float64: "Float64",
    pl.String: "String",
}
_WIDTH = 120
_INSTANT = 'dy.Datetime(time_zone="UTC", time_unit="us", metadata={known}, description="{description}")'


def contract_py(plan: Plan) -> str:
    """The schemas of the four tables."""
    return f'''"""What each table promises: its grain, its types, and when each column becomes known.

Belongs here: the tables. Does not: how a table is made (`cleaning`, `features`).
"""

import dataframely as dy

from ml_platform.point_in_time.known_at import ALWAYS, known_at

AFTER_THE_DAY = known_at("day_ended_at")


class Raw(dy.Schema):
    """One row of the file, as it was landed."""

{_lines(_raw(plan))}


class Clean(dy.Schema):
    """One row of a day. ALWAYS is what is known before the day begins; give AFTER_THE_DAY to what is not."""

{_lines(_clean(plan))}


class Labels(dy.Schema):
    """One row of which the outcome is known, and when it became known."""

{_lines(_labels(plan))}


class Features(dy.Schema):
    """One row as it looked when its day began."""

{_lines(_features(plan))}
'''


def cleaning_py(plan: Plan) -> str:
    """From the file to clean rows and labels."""
    others = [column for column in plan.file.columns if column is not plan.label]
    selected = [_selected(column) for column in others] + [_outcome(plan)]
    lines = "".join(f"        {each},\n" for each in (*selected, "day_ended_at=midnight(after_days=1)"))
    key = ", ".join(f'"{column.name}"' for column in (plan.day, *plan.keys, plan.label))
    return f'''"""From the file to what the contracts promise: one clean row for each raw row, whatever it holds.

Belongs here: names, units and types. Does not: refusing rows, which contracts do.
"""

import polars as pl

TIME_ZONE = "{plan.timezone}"


def clean(raw: pl.LazyFrame) -> pl.LazyFrame:
    """One row of `Clean` for each row of `Raw`."""
    return raw.select(
{lines}    )


def labels(clean: pl.LazyFrame) -> pl.LazyFrame:
    """One row of `Labels` for each row whose outcome is known."""
    known = clean.filter(pl.col("{plan.label.name}").is_not_null())
    return known.select({key}, known_at="day_ended_at")


def midnight(after_days: int = 0) -> pl.Expr:
    """The instant at which the row's day begins, or that so many days later."""
    local = pl.col("{plan.day.name}").cast(pl.Datetime("us")).dt.offset_by(f"{{after_days}}d")
    return local.dt.replace_time_zone(TIME_ZONE).dt.convert_time_zone("UTC")
'''


def features_py(plan: Plan) -> str:
    """What a model sees."""
    package = f"ml_platform.use_cases.{plan.name}"
    return f'''"""What was known of a row when its day began, as the model sees it.

Belongs here: which features there are. Does not: what is known by then, which the platform hides.
"""

import polars as pl

from {package}.cleaning import midnight
from {package}.contract import Features


def prediction_at() -> pl.Expr:
    """When a row is predicted: its day begins. Nothing that becomes known later can be a feature of it."""
    return midnight()


def features(rows: pl.DataFrame) -> pl.DataFrame:
    """One row of `Features` for each of `rows`, in their order."""
    return rows.select(Features.column_names())
'''


def _lines(columns: Iterator[str]) -> str:
    """Declarations as ruff formats them."""
    return "\n".join(f"    {_broken_if_long(column)}" for column in columns)


def _broken_if_long(column: str) -> str:
    if len(column) + 4 <= _WIDTH:
        return column
    before, _, inside = column.partition("(")
    return f"{before}(\n        {inside[:-1]}\n    )"


def _raw(plan: Plan) -> Iterator[str]:
    for column in plan.file.columns:
        dtype = "String" if column.dtype == pl.Datetime else _type(column)
        alias = "" if column.header == column.name else f"alias={_text(column.header)}, "
        yield f"{column.name} = dy.{dtype}({alias}nullable=True, description={_text(_told(column))})"


def _clean(plan: Plan) -> Iterator[str]:
    for column in plan.file.columns:
        if column is plan.label:
            yield _declared(column, _label_type(plan), "AFTER_THE_DAY", nullable=True)
        elif column in (plan.day, *plan.keys):
            yield _declared(column, _type(column), "ALWAYS", is_key=True)
        else:
            yield _declared(column, _type(column), "ALWAYS", nullable=column.has_nulls)
    yield "day_ended_at = " + _INSTANT.format(known="ALWAYS", description="End of the local day.")


def _labels(plan: Plan) -> Iterator[str]:
    yield from (_declared(column, _type(column), "ALWAYS", is_key=True) for column in (plan.day, *plan.keys))
    yield _declared(plan.label, _label_type(plan), 'known_at("known_at")')
    yield "known_at = " + _INSTANT.format(known='known_at("known_at")', description="When it became known.")


def _features(plan: Plan) -> Iterator[str]:
    yield from (_declared(column, _type(column), "ALWAYS", is_key=True) for column in (plan.day, *plan.keys))
    yield "prediction_at = " + _INSTANT.format(known="ALWAYS", description="When it is predicted: its day begins.")
    for column in plan.features:
        if column not in plan.keys:  # null where it is not known by then
            yield _declared(column, _type(column), 'known_at("prediction_at")', nullable=True)


def _declared(column: Column, dtype: str, known: str, *, is_key: bool = False, nullable: bool = False) -> str:
    facts = "primary_key=True, " if is_key else "nullable=True, " if nullable else ""
    if dtype == "Datetime":
        facts += 'time_zone="UTC", time_unit="us", '
    return f"{column.name} = dy.{dtype}({facts}metadata={known}, description={_text(_told(column))})"


def _told(column: Column) -> str:
    return f"{column.header[:1].upper()}{column.header[1:].replace('_', ' ')}."


def _type(column: Column) -> str:
    return "Datetime" if column.dtype == pl.Datetime else _TYPES[type(column.dtype)]


def _label_type(plan: Plan) -> str:
    return "Bool" if plan.task.kind == "binary" else _type(plan.label)


def _selected(column: Column) -> str:
    source = f"pl.col({_text(column.header)})"
    if column.dtype == pl.Datetime:
        parsed = f'{source}.str.to_datetime(time_unit="us", strict=False)'
        return f'{parsed}.dt.replace_time_zone(TIME_ZONE).dt.convert_time_zone("UTC").alias({_text(column.name)})'
    return _text(column.name) if column.header == column.name else f"{source}.alias({_text(column.name)})"


def _outcome(plan: Plan) -> str:
    """The label as the task needs it."""
    if plan.task.kind != "binary" or plan.label.dtype == pl.Boolean:
        return _selected(plan.label)
    return f"(pl.col({_text(plan.label.header)}) == 1).alias({_text(plan.label.name)})"


def _text(text: str) -> str:
    """As a literal of Python."""
    return json.dumps(text, ensure_ascii=False)
