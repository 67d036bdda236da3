"""A function of the use case as a source, for what has an API: `fetch(partition) -> frame`.

Belongs here: calling it, and what its failures and its None mean. Does not: how it speaks with the API.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any

import polars as pl

from ml_platform.components.cuts import By
from ml_platform.data.sources import KEPT, Part, in_order
from ml_platform.errors import DefinitionError, LandingObjectMissingError, UpstreamUnavailableError
from ml_platform.recovery.error_classes import classify


class FetchedRows:
    """The rows that the function returns, whatever their order."""

    def __init__(self, function: Callable[..., Any], name_of: Callable[[str], str], by: By) -> None:
        """Nothing is fetched yet; `name_of` a partition is what lineage calls its rows."""
        self._function, self._name_of, self._by = function, name_of, by

    def take(self, partition: str) -> tuple[Part, ...]:
        """All rows of one partition.

        Raises:
            LandingObjectMissingError: the function says that there is nothing yet.
            UpstreamUnavailableError: nobody answered; told is the type of the error, since texts may hold secrets.
            DefinitionError: it returned no frame. What else it raises comes as it is, and is classified as it is.
        """
        name = self._name_of(partition)
        try:
            rows = self._function(*self._arguments(partition))
        except OSError as error:  # what urllib and requests raise as well
            if classify(error).error_class != "transient":
                raise
            raise _unreachable(name, error) from None
        if rows is None:
            remedy = "It is asked again by the next run; publish a day that has none by returning a frame without rows"
            raise LandingObjectMissingError(
                f"{name}: the function says that there is nothing yet", kept=KEPT, remedy=remedy
            )
        if not isinstance(rows, pl.DataFrame):
            raise DefinitionError(
                f"{name}: the function returned no table",
                expected="a polars DataFrame, or None where there is nothing yet",
                got=type(rows).__name__,
                kept=KEPT,
            )
        return (Part(name, in_order(rows)),)

    def _arguments(self, partition: str) -> tuple[dt.date | str, ...]:
        if self._by == "whole":
            return ()
        return (dt.date.fromisoformat(partition) if self._by == "day" else partition,)


def _unreachable(name: str, error: OSError) -> UpstreamUnavailableError:
    return UpstreamUnavailableError(
        f"{name}: nobody answered the function",
        got=type(error).__name__,
        kept=KEPT,
        remedy="It is tried again; run the function by hand to see more",
    )
