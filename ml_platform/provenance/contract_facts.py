"""Columns and rules of a contract as cards and data sheets tell them.

Belongs here: what is declared. Does not: what the rows are like (`sheet_facts`).
"""

import inspect
from collections.abc import Sequence

import dataframely as dy
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.components.tables import type_name
from ml_platform.contracts.columns import column_owners, personal_columns, unit_of
from ml_platform.point_in_time.known_at import declared_knowledge


class ColumnFact(BaseModel):
    """One column as its contract declares it."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the column.")
    type: str = Field(description="Type of its values.")
    unit: str = Field(description="Unit that its name ends in; empty without one.")
    description: str = Field(description="What it says.")
    is_nullable: bool = Field(description="Whether a value may be missing.")
    is_key: bool = Field(description="Whether it is part of the primary key.")
    known_at: str = Field(description="When its value becomes known; empty where nobody declared it.")
    owner: str = Field(description="Who answers for it.")
    personal: str = Field(description="How it leads to a person; empty if it does not.")


class RuleCount(BaseModel):
    """A rule of a contract, and the rows that it refused."""

    model_config = ConfigDict(frozen=True)

    rule: str = Field(description="Name of the rule.")
    meaning: str = Field(description="What it demands, in words.")
    rows: int = Field(description="Rows that it refused; a row that broke two rules counts under both.")


def column_facts(contract: type[dy.Schema], owners: Sequence[str]) -> tuple[ColumnFact, ...]:
    """The columns in their order; `owners` of the table answer for those that name nobody else."""
    known, personal, own = declared_knowledge(contract), personal_columns(contract), column_owners(contract)
    key = set(contract.primary_key())
    return tuple(
        ColumnFact(
            name=name,
            type=type_name(column.dtype),
            unit=unit_of(name, column.dtype),
            description=column.description or "",
            is_nullable=column.nullable,
            is_key=name in key,
            known_at=str(known[name]) if name in known else "",
            owner=own.get(name, ", ".join(owners)),
            personal=personal.get(name, ""),
        )
        for name, column in contract.columns().items()
    )


def rule_meaning(contract: type[dy.Schema], rule: str) -> str:
    """What a rule demands: the docstring of one that is written out, else what its name says."""
    written = getattr(vars(contract).get(rule), "validation_fn", None)
    if written is not None:
        return inspect.getdoc(written) or ""
    if rule == "primary_key":
        return f"No two rows share {', '.join(contract.primary_key())}; all that do are refused."
    column, _, limit = rule.partition("|")
    limits = {"nullability": "is never missing", "regex": f"is like {getattr(contract.columns()[column], 'regex', '')}"}
    bound = getattr(contract.columns().get(column), limit, None)
    return f"{column} {limits.get(limit, f'is within its {limit} of {bound}')}."


def grain(contract: type[dy.Schema]) -> str:
    """What one row is: the docstring of the contract."""
    return inspect.getdoc(contract) or ""
