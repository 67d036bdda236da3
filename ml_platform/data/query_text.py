"""The text of a query: which values it binds, and with that how its table is cut.

Belongs here: the text alone, for declarations. Does not: running it (`source_query`).
"""

import re

from ml_platform.components.cuts import By

_BOUND = re.compile(r"(?<![:\w\\]):(\w+)(?![:\w])")  # as SQLAlchemy finds them
_BY_DAY, _BY_KEY = {"day", "next_day"}, {"key"}


def bound_names(sql: str) -> set[str]:
    """The names of the values that the query binds."""
    return set(_BOUND.findall(sql))


def cut_of_query(sql: str) -> By:
    """Whether the query is asked for each day, for each key, or once.

    Raises:
        ValueError: it binds a value that there is not, or both a day and a key.
    """
    names = bound_names(sql)
    if unknown := sorted(names - _BY_DAY - _BY_KEY):
        raise ValueError(
            f"`:{unknown[0]}` has no value: a query binds :day, :next_day or :key (`\\:` is a plain colon)"
        )
    if names & _BY_DAY and names & _BY_KEY:
        raise ValueError("a query is by `:day` or by `:key`, not by both")
    return "day" if names & _BY_DAY else "key" if names else "whole"
