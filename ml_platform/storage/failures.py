"""What a failure of the store means: what may pass is tried again, the rest is told with the setting that mends it.

Belongs here: s3fs's, deltalake's, polars' and the file system's ways to say the same thing. Does not: failures that
are answers, such as an object that is not there or a version that is taken; these pass through.
"""

import errno
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple, TypeVar

from ml_platform.errors import (
    BucketNotFoundError,
    StorageAccessError,
    StorageCredentialsError,
    StorageError,
    StorageFullError,
    StorageUnreachableError,
)
from ml_platform.settings import RETRY_FIRST_PAUSE_SECONDS, RETRY_LONGEST_PAUSE_SECONDS

Result = TypeVar("Result")

_STANDS = "What was published before stands."
_KEYS = "ML_PLATFORM_S3_ACCESS_KEY_ID and ML_PLATFORM_S3_SECRET_ACCESS_KEY"
_URIS = "ML_PLATFORM_DATA_URI, ML_PLATFORM_LANDING_URI or ML_PLATFORM_ARTIFACT_URI"
_DENIED = {"AccessDenied", "AllAccessDisabled", "403", "Forbidden"}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_ANSWER = re.compile(
    r"error sending request|connection refused|connection reset|connection closed|timed? ?out|dns error|"
    r"could not connect|error decoding response body|request or response body error|incompletebody",
    re.IGNORECASE,
)
_NO_SPACE = re.compile(
    r"no space left|disk quota exceeded|no writable volumes|not enough space|storage ?full", re.IGNORECASE
)
_NO_CREDENTIALS = re.compile(r"locate credentials|169\.254\.169\.254|instance metadata", re.IGNORECASE)
_TERMINAL_COLOURS = re.compile(r"\x1b\[\d*m")


class Place(NamedTuple):
    """What failed where: the prefix, and the S3 endpoint, which is None for AWS itself and for local files."""

    uri: str
    endpoint_url: str | None = None

    @property
    def is_s3(self) -> bool:
        """Whether it is in an object store."""
        return self.uri.startswith("s3://")

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.uri.removeprefix("s3://").partition("/")[0]

    @property
    def server(self) -> str:
        """Who should answer."""
        return self.endpoint_url or "AWS S3"


class _Symptom(NamedTuple):
    """A failure, whichever library told it: S3's error code, the HTTP status, and the shortest text that says it."""

    code: str
    status: int
    text: str


@contextmanager
def explained(place: Place) -> Iterator[None]:
    """What goes wrong in the block, as an error of the platform where it is the store's doing.

    Raises:
        StorageUnreachableError, StorageCredentialsError, StorageAccessError, BucketNotFoundError, StorageFullError: the
            store failed; anything else is raised as it came.
    """
    try:
        yield
    except failures() as error:
        explanation = _explanation(place, error)
        if explanation is None:
            raise
        raise explanation from error


def persistently(work: Callable[[], Result], retry_seconds: float) -> Result:
    """The result of `work`, which is tried again as long as its failure may pass and `retry_seconds` are not over."""
    give_up_at, pause = time.monotonic() + retry_seconds, RETRY_FIRST_PAUSE_SECONDS
    while True:
        try:
            return work()
        except failures() as error:
            if not may_pass(error) or time.monotonic() >= give_up_at:
                raise
            wanted = max(_retry_after_seconds(error), random.uniform(pause / 2, pause))  # noqa: S311 - jitter
            time.sleep(max(0.0, min(wanted, give_up_at - time.monotonic())))
            pause = min(2 * pause, RETRY_LONGEST_PAUSE_SECONDS)


def may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed in a moment: nobody answered, or the server failed or is busy."""
    symptom = _symptom(error)
    if _NO_SPACE.search(symptom.text):
        return False
    return symptom.status >= 500 or symptom.status == 429 or _got_no_answer(error, symptom)


@cache
def failures() -> tuple[type[Exception], ...]:
    """What the libraries raise when a store fails; they are imported when something has."""
    from aiohttp import ClientError as AioError
    from botocore.exceptions import BotoCoreError, ClientError
    from deltalake.exceptions import DeltaError
    from polars.exceptions import ComputeError

    return (OSError, BotoCoreError, ClientError, AioError, DeltaError, ComputeError)


def _explanation(place: Place, error: BaseException) -> StorageError | None:
    symptom = _symptom(error)
    if _NO_SPACE.search(symptom.text) or (isinstance(error, OSError) and error.errno in _FULL):
        return _full(place, symptom)
    if not place.is_s3:
        return _local_denied(place, error) if isinstance(error, PermissionError) else None
    if symptom.code == "NoSuchBucket":
        return BucketNotFoundError(
            f"There is no bucket '{place.bucket}' at {place.server}.",
            kept=_STANDS,
            remedy=f"Correct whichever of {_URIS} names it, or ML_PLATFORM_S3_ENDPOINT_URL, or make the bucket: "
            "the platform makes none.",
        )
    refusal = _refusal(place, symptom)
    is_foreign = symptom.status >= 400 and symptom.code == str(symptom.status)  # S3 has names for what is wrong
    if refusal is None and (is_foreign or may_pass(error)):
        return _unreachable(place, symptom)
    return refusal


def _refusal(place: Place, symptom: _Symptom) -> StorageError | None:
    match symptom.code:
        case "InvalidAccessKeyId":
            what, remedy = "does not know the access key id", "Correct ML_PLATFORM_S3_ACCESS_KEY_ID"
        case "SignatureDoesNotMatch":
            what, remedy = "does not accept the secret of the access key", "Correct ML_PLATFORM_S3_SECRET_ACCESS_KEY"
        case "NoCredentials":
            what, remedy = "cannot be asked without credentials", f"Set {_KEYS}"
        case "ExpiredToken" | "InvalidToken" | "AuthorizationHeaderMalformed":
            what, remedy = f"does not accept the credentials ({symptom.code})", f"Correct {_KEYS}"
        case "RequestTimeTooSkewed" | "RequestExpired":
            what, remedy = "refuses requests signed at another time than its own", "Set the clock of this machine"
        case code if code in _DENIED:
            return StorageAccessError(
                f"The credentials may not do this with {place.uri} at {place.server}.",
                expected=f"to read, write, delete and list in an existing bucket '{place.bucket}'",
                got=symptom.text,
                kept=_STANDS,
                remedy=f"Allow it there, or set {_KEYS} to credentials that may, or correct whichever of {_URIS} names "
                "the bucket.",
            )
        case _:
            return None
    return StorageCredentialsError(
        f"{place.server} {what}.",
        got=symptom.text,
        kept=_STANDS,
        remedy=f"{remedy}, or ML_PLATFORM_S3_ENDPOINT_URL if another server is meant.",
    )


def _unreachable(place: Place, symptom: _Symptom) -> StorageError:
    patience = "ML_PLATFORM_S3_RETRY_SECONDS says how long the platform keeps trying"
    if symptom.status >= 500 or symptom.status == 429:
        answer = f"answers only with failures ({symptom.status})"
        remedy = f"Look at the log and at the free space of that server, and run it again; {patience}."
    else:
        answer = "does not answer as S3 does" if symptom.status else "does not answer"
        remedy = f"Correct ML_PLATFORM_S3_ENDPOINT_URL, or run it again when the server is back; {patience}."
    return StorageUnreachableError(
        f"{place.server} {answer}, asked for {place.uri}.", got=symptom.text, kept=_STANDS, remedy=remedy
    )


def _full(place: Place, symptom: _Symptom) -> StorageError:
    remedy = f"Free some space at {place.server}" if place.is_s3 else "Free some space, or set ML_PLATFORM_HOME"
    return StorageFullError(
        f"No space is left for {place.uri}{f' at {place.server}' if place.is_s3 else ''}.",
        got=symptom.text,
        kept=_STANDS,
        remedy=f"{remedy}, or move whichever of {_URIS} is there to another place, then run it again.",
    )


def _local_denied(place: Place, error: PermissionError) -> StorageError:
    return StorageAccessError(
        f"This user may not use {error.filename or place.uri}.",
        expected="to read and write it",
        kept=_STANDS,
        remedy=f"Change the owner or the mode of that folder, or set ML_PLATFORM_HOME or {_URIS} to another one.",
    )


def _symptom(error: BaseException) -> _Symptom:
    response = _response(error)
    if response:
        told = response.get("Error", {})
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return _Symptom(str(told.get("Code", "")), status, _told(told.get("Code"), told.get("Message")))
    text = _TERMINAL_COLOURS.sub("", str(error))
    if _NO_CREDENTIALS.search(text):
        return _Symptom("NoCredentials", 0, "no key and secret, and no role of this machine")
    code, message = (re.search(f"<{tag}>([^<]*)</{tag}>", text) for tag in ("Code", "Message"))
    status_line = re.search(r"status code\W+([45]\d\d)\b", text)
    status = int(status_line[1]) if status_line else 0
    if code:
        return _Symptom(code[1], status, _told(code[1], message[1] if message else ""))
    lines = [line.strip(" ↳") for line in text.splitlines()]
    return _Symptom(str(status or ""), status, next(filter(None, reversed(lines)), type(error).__name__))


def _told(code: object, message: object) -> str:
    return ": ".join(str(part) for part in (code, message) if part)


def _response(error: BaseException) -> dict[str, Any]:
    found: dict[str, Any] = getattr(error, "response", None) or getattr(error.__cause__, "response", None) or {}
    return found


def _got_no_answer(error: BaseException, symptom: _Symptom) -> bool:
    if symptom.status or symptom.code:
        return False
    module = type(error).__module__.partition(".")[0]
    return (
        module in {"botocore", "aiobotocore", "aiohttp"}
        or isinstance(error, ConnectionError | TimeoutError)
        or _NO_ANSWER.search(_TERMINAL_COLOURS.sub("", str(error))) is not None
    )


def _retry_after_seconds(error: BaseException) -> float:
    said = _response(error).get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")
    return float(said) if said.isdecimal() else 0.0
