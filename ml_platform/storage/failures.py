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
from typing import NamedTuple, TypeVar

from ml_platform.errors import (
    BucketNotFoundError,
    StorageAccessError,
    StorageCredentialsError,
    StorageError,
    StorageFullError,
    StorageUnreachableError,
)
from ml_platform.settings import RETRY_FIRST_PAUSE_SECONDS, RETRY_LONGEST_PAUSE_SECONDS
from ml_platform.storage.answers import Answer, answer_of, got_no_answer, retry_after_seconds

Result = TypeVar("Result")

_STANDS = "What was published before stands."
_KEYS = "ML_PLATFORM_S3_ACCESS_KEY_ID and ML_PLATFORM_S3_SECRET_ACCESS_KEY"
_URIS = "ML_PLATFORM_DATA_URI, ML_PLATFORM_LANDING_URI, ML_PLATFORM_ARTIFACT_URI or ML_PLATFORM_EXPORT_URI"
_DENIED = {"AccessDenied", "AllAccessDisabled", "403", "Forbidden"}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_SPACE = re.compile(
    r"no space left|disk quota exceeded|no writable volumes|not enough space|storage ?full", re.IGNORECASE
)


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
            wanted = max(retry_after_seconds(error) or 0.0, random.uniform(pause / 2, pause))  # noqa: S311 - jitter
            time.sleep(max(0.0, min(wanted, give_up_at - time.monotonic())))
            pause = min(2 * pause, RETRY_LONGEST_PAUSE_SECONDS)


def may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed in a moment: nobody answered, or the server failed or is busy."""
    answer = answer_of(error)
    if says_full(answer):
        return False
    return answer.status >= 500 or answer.status == 429 or got_no_answer(error, answer)


def says_full(answer: Answer) -> bool:
    """Whether no space is left where something was to be written; servers say it with the status of a failure."""
    return _NO_SPACE.search(answer.text) is not None


@cache
def failures() -> tuple[type[Exception], ...]:
    """What the libraries raise when a store fails; they are imported when something has."""
    from aiohttp import ClientError as AioError
    from botocore.exceptions import BotoCoreError, ClientError
    from deltalake.exceptions import DeltaError
    from polars.exceptions import ComputeError

    return (OSError, BotoCoreError, ClientError, AioError, DeltaError, ComputeError)


def _explanation(place: Place, error: BaseException) -> StorageError | None:
    answer = answer_of(error)
    if says_full(answer) or (isinstance(error, OSError) and error.errno in _FULL):
        return _full(place, answer)
    if not place.is_s3:
        return _local_denied(place, error) if isinstance(error, PermissionError) else None
    if answer.code == "NoSuchBucket":
        return BucketNotFoundError(
            f"There is no bucket '{place.bucket}' at {place.server}.",
            kept=_STANDS,
            remedy=f"Correct whichever of {_URIS} names it, or ML_PLATFORM_S3_ENDPOINT_URL, or make the bucket: "
            "the platform makes none.",
        )
    refusal = _refusal(place, answer)
    is_foreign = answer.status >= 400 and answer.code == str(answer.status)  # S3 has names for what is wrong
    if refusal is None and (is_foreign or may_pass(error)):
        return _unreachable(place, answer)
    return refusal


def _refusal(place: Place, answer: Answer) -> StorageError | None:
    match answer.code:
        case "InvalidAccessKeyId":
            what, remedy = "does not know the access key id", "Correct ML_PLATFORM_S3_ACCESS_KEY_ID"
        case "SignatureDoesNotMatch":
            what, remedy = "does not accept the secret of the access key", "Correct ML_PLATFORM_S3_SECRET_ACCESS_KEY"
        case "NoCredentials":
            what, remedy = "cannot be asked without credentials", f"Set {_KEYS}"
        case "ExpiredToken" | "InvalidToken" | "AuthorizationHeaderMalformed":
            what, remedy = f"does not accept the credentials ({answer.code})", f"Correct {_KEYS}"
        case "RequestTimeTooSkewed" | "RequestExpired":
            what, remedy = "refuses requests signed at another time than its own", "Set the clock of this machine"
        case code if code in _DENIED:
            return StorageAccessError(
                f"The credentials may not do this with {place.uri} at {place.server}.",
                expected=f"to read, write, delete and list in an existing bucket '{place.bucket}'",
                got=answer.text,
                kept=_STANDS,
                remedy=f"Allow it there, or set {_KEYS} to credentials that may, or correct whichever of {_URIS} names "
                "the bucket.",
            )
        case _:
            return None
    return StorageCredentialsError(
        f"{place.server} {what}.",
        got=answer.text,
        kept=_STANDS,
        remedy=f"{remedy}, or ML_PLATFORM_S3_ENDPOINT_URL if another server is meant.",
    )


def _unreachable(place: Place, answer: Answer) -> StorageError:
    patience = "ML_PLATFORM_S3_RETRY_SECONDS says how long the platform keeps trying"
    if answer.status >= 500 or answer.status == 429:
        does = f"answers only with failures ({answer.status})"
        remedy = f"Look at the log and at the free space of that server, and run it again; {patience}."
    else:
        does = "does not answer as S3 does" if answer.status else "does not answer"
        remedy = f"Correct ML_PLATFORM_S3_ENDPOINT_URL, or run it again when the server is back; {patience}."
    return StorageUnreachableError(
        f"{place.server} {does}, asked for {place.uri}.", got=answer.text, kept=_STANDS, remedy=remedy
    )


def _full(place: Place, answer: Answer) -> StorageError:
    remedy = f"Free some space at {place.server}" if place.is_s3 else "Free some space, or set ML_PLATFORM_HOME"
    return StorageFullError(
        f"No space is left for {place.uri}{f' at {place.server}' if place.is_s3 else ''}.",
        got=answer.text,
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
