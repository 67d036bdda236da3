"""Whether MLflow can be had: every way in which it says no, as one error, and no second wait for one that is silent.

Belongs here: telling an MLflow that is away from one that refuses what it is told. Does not: what is done then.
"""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

from ml_platform.errors import ObjectCorruptError, RegistryUnreachableError
from ml_platform.settings import without_password

_ASKED_AGAIN_AFTER_SECONDS = 30.0
_MEANS_AWAY = {
    "INTERNAL_ERROR",
    "TEMPORARILY_UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "CANCELLED",
    "ENDPOINT_NOT_FOUND",  # something else answers in its place
    "UNAUTHENTICATED",
    "CUSTOMER_UNAUTHORIZED",
    "PERMISSION_DENIED",
}
_IN_A_FEW_WORDS = re.compile(
    r"\[Errno -?\d+\] ([\w -]+)|(Read timed out\.)|(too many \d+ error responses)|(database is locked)", re.IGNORECASE
)


class _Away(NamedTuple):
    until: float
    told: str


_away: dict[str, _Away] = {}


@contextmanager
def reaching(tracking_uri: str) -> Iterator[None]:
    """A block that speaks to the store at `tracking_uri`. One that was away is not asked again for half a minute.

    Raises:
        RegistryUnreachableError: it cannot be had. What MLflow says no to is raised as it came.
    """
    away = _away.get(tracking_uri)
    if away is not None and time.monotonic() < away.until:
        raise unreachable(tracking_uri, away.told)
    try:
        yield
    except _failures() as error:
        if not is_away(error):
            raise
        why = error.got if isinstance(error, RegistryUnreachableError) else told(error)
        _away[tracking_uri] = _Away(time.monotonic() + _ASKED_AGAIN_AFTER_SECONDS, why)
        raise unreachable(tracking_uri, why) from error


def ask_again(tracking_uri: str) -> None:
    """Forget that the store was away."""
    _away.pop(tracking_uri, None)


@cache
def refusals() -> tuple[type[Exception], ...]:
    """What shows that an entry will never be told as it is: MLflow refuses it, or what it points to is gone."""
    from mlflow.exceptions import MlflowException

    return (MlflowException, ObjectCorruptError, FileNotFoundError)


def is_away(error: BaseException) -> bool:
    """Whether the error means that MLflow cannot be had now, and not that it refuses what it is told."""
    code = getattr(error, "error_code", None)
    return code is None or code in _MEANS_AWAY


@cache
def _failures() -> tuple[type[Exception], ...]:
    """What MLflow's client and its SQL store raise; they are imported by whoever speaks to MLflow."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import DatabaseError

    return (RegistryUnreachableError, MlflowException, RequestException, DatabaseError, sqlite3.DatabaseError)


def told(error: BaseException) -> str:
    """What is wrong in a few words, without the libraries' addresses of objects, SQL and advice."""
    text = str(error)
    known = _IN_A_FEW_WORDS.search(text)
    if known:
        return str(next(filter(None, known.groups())))
    return text.strip().partition("\n")[0][:200] or type(error).__name__


def unreachable(tracking_uri: str, got: str) -> RegistryUnreachableError:
    """The error for a store that cannot be had; a password in its address is told to nobody."""
    return RegistryUnreachableError(
        f"The MLflow store at {without_password(tracking_uri)} does not answer.",
        got=got,
        remedy="Start it, or set ML_PLATFORM_MLFLOW_TRACKING_URI to the store in use.",
    )
