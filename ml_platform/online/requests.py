"""What a request may say: the columns of the rows' contract that are known by then, and nothing else.

Belongs here: the request's schema, made from the contract, and rows out of its bytes. Does not: features (`history`),
or HTTP (`app`). Values that were sent are never quoted: they may lead to a person.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, NamedTuple, NotRequired

import dataframely as dy
import polars as pl
from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError, conlist
from typing_extensions import TypedDict

from ml_platform.errors import RequestRefusedError
from ml_platform.point_in_time.known_at import knowledge

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Instants beyond are no data; calendars and time zones are not made for them."""
LONGEST_TEXT = 200
SHOWN = 20


class Problem(NamedTuple):
    """One thing that is wrong with a request: where, and what would be right."""

    row: int | None
    field: str
    problem: str


class RowRequests:
    """Rows to predict for, as a request gives them."""

    def __init__(self, contract: type[dy.Schema], row: str) -> None:
        """What may be said of a `row`, by its contract."""
        self.contract = contract
        self.columns = [name for name, known in knowledge(contract).items() if known.kind == "always"]
        self._types = {name: column.dtype for name, column in contract.columns().items()}
        one = _typed_dict(row.capitalize(), {name: _field(contract, name) for name in self.columns})
        body = _typed_dict("Request", {"rows": conlist(one, min_length=1)})
        self.adapter: TypeAdapter[Any] = TypeAdapter(body)
        rules = _rules_over(contract, self.columns)
        self._rules = {name: rule.fill_null(True).alias(name) for name, rule in rules}

    def json_schema(self) -> dict[str, Any]:
        """JSON schema of a request."""
        return self.adapter.json_schema()

    def frame(self, body: bytes, most_rows: int) -> pl.DataFrame:
        """The rows of a request, with every column of the contract; what is not known yet is null.

        Raises:
            RequestRefusedError: naming each field that is missing, unknown or wrong, or that there are too many rows.
        """
        try:
            rows: list[dict[str, object]] = self.adapter.validate_json(body, strict=True)["rows"]
        except ValidationError as error:
            raise _invalid([_problem(each) for each in error.errors(include_url=False, include_input=False)]) from None
        if len(rows) > most_rows:
            raise RequestRefusedError(
                f"The request has {len(rows)} rows", expected=f"up to {most_rows} at once", code="too_large"
            )
        frame = pl.DataFrame(rows, schema=self._types)
        self._require_rules(frame)
        return frame

    def _require_rules(self, frame: pl.DataFrame) -> None:
        if not self._rules:
            return
        held = frame.select_seq(self._rules.values())
        broken = [
            Problem(row, name, "does not hold")
            for name in self._rules
            if not held[name].all()
            for row in (~held[name]).arg_true()[:SHOWN]
        ]
        if broken:
            raise _invalid(broken)


def _typed_dict(name: str, fields: Mapping[str, Any]) -> Any:
    """A dictionary with these fields and no other."""
    make: Any = TypedDict  # made at run time, which mypy does not follow
    made = make(name, dict(fields))
    made.__pydantic_config__ = ConfigDict(extra="forbid")
    return made


def _field(contract: type[dy.Schema], name: str) -> Any:
    column = contract.columns()[name]
    limits: dict[str, Any] = {"description": column.description}
    match column.dtype:
        case pl.Date():
            own: Any = Annotated[date, Field(ge=date(FIRST_YEAR, 1, 1), le=date(LAST_YEAR, 1, 1), **limits)]
        case pl.Datetime():
            first, last = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR, 1, 1, tzinfo=UTC)
            own = Annotated[AwareDatetime, Field(ge=first, le=last, **limits)]
        case pl.String():
            own = Annotated[str, *_constraints(column), Field(max_length=LONGEST_TEXT)]
        case dtype if dtype.is_float():
            own = Annotated[float, *_constraints(column), Field(allow_inf_nan=False)]
        case _:
            own = Annotated[int if column.dtype.is_integer() else bool, *_constraints(column)]
    return NotRequired[own | None] if column.nullable else own


def _constraints(column: dy.Column) -> Sequence[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pydantic cannot say of a column, the rules of its contract do
        declared = column.pydantic_field()
    return getattr(declared, "__metadata__", ())


def _rules_over(contract: type[dy.Schema], columns: Sequence[str]) -> Iterator[tuple[str, pl.Expr]]:
    """The rules of the contract that can be judged by `columns` alone."""
    for name, factory in vars(contract).items():
        if function := getattr(factory, "validation_fn", None):
            rule: pl.Expr = function(contract)
            if set(rule.meta.root_names()) <= set(columns):
                yield name, rule


def _problem(error: Mapping[str, Any]) -> Problem:
    location = [part for part in error["loc"] if part != "rows"]
    row = next((part for part in location if isinstance(part, int)), None)
    field = next((part for part in location if isinstance(part, str)), "rows" if "rows" in error["loc"] else "body")
    told = {"missing": "is missing", "extra_forbidden": "is unknown"}
    return Problem(row, field, told.get(error["type"], error["msg"]))


def _invalid(problems: Sequence[Problem]) -> RequestRefusedError:
    fields = sorted({each.field for each in problems})
    told = f"{len(problems)} problem(s) in {', '.join(fields[:SHOWN])}"
    return RequestRefusedError(told, problems=problems[:SHOWN])
