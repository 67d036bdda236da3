"""What another machine answered, or that it did not, out of the exception of whichever library asked.

Belongs here: status, error code, Retry-After and text, as facts. Does not: what follows from them for the store
(`storage.failures`) or for a step (`recovery.error_classes`).
"""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

_NO_ANSWER = re.compile(
    r"error sending request|connection refused|connection reset|connection closed|timed? ?out|dns error|"
    r"could not connect|error decoding response body|request or response body error|incompletebody",
    re.IGNORECASE,
)
_NO_CREDENTIALS = re.compile(r"locate credentials|169\.254\.169\.254|instance metadata", re.IGNORECASE)
_TERMINAL_COLOURS = re.compile(r"\x1b\[\d*m")
_NETWORK_LIBRARIES = {"botocore", "aiobotocore", "aiohttp"}


class Answer(NamedTuple):
    """A failure, whichever library told it: S3's error code, the HTTP status (0: none), and what says it shortest."""

    code: str
    status: int
    text: str


def answer_of(error: BaseException) -> Answer:
    """What `error` says was answered."""
    response = _s3_response(error)
    if response:
        told = response.get("Error", {})
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return Answer(str(told.get("Code", "")), status, _told(told.get("Code"), told.get("Message")))
    text = _text(error)
    if _NO_CREDENTIALS.search(text):
        return Answer("NoCredentials", 0, "no key and secret, and no role of this machine")
    code, message = (re.search(f"<{tag}>([^<]*)</{tag}>", text) for tag in ("Code", "Message"))
    status_line = re.search(r"status code\W+([45]\d\d)\b", text)
    status = int(status_line[1]) if status_line else _status(error)
    if code:
        return Answer(code[1], status, _told(code[1], message[1] if message else ""))
    lines = [line.strip(" ↳") for line in text.splitlines()]
    return Answer(str(status or ""), status, next(filter(None, reversed(lines)), type(error).__name__))


def got_no_answer(error: BaseException, answer: Answer) -> bool:
    """Whether nobody answered: refused, reset, cut off or silent."""
    if answer.status or answer.code:
        return False
    return (
        type(error).__module__.partition(".")[0] in _NETWORK_LIBRARIES
        or isinstance(error, ConnectionError | TimeoutError)
        or _NO_ANSWER.search(_text(error)) is not None
    )


def retry_after_seconds(error: BaseException) -> float | None:
    """How long the answer asks to wait, given there in seconds or as a date; None where it does not say."""
    return seconds_asked(str(_headers(error).get("retry-after", "")))


def seconds_asked(retry_after: str) -> float | None:
    """The seconds from now that a header Retry-After means; None where it means nothing."""
    said = retry_after.strip()
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return None


def _headers(error: BaseException) -> Mapping[str, Any]:
    """Headers of the answer by lower-case name: botocore keeps them in a dictionary, HTTP clients on an object."""
    kept: Any = _s3_response(error).get("ResponseMetadata", {}).get("HTTPHeaders")
    kept = kept or getattr(error, "headers", None) or getattr(getattr(error, "response", None), "headers", None)
    return {str(name).lower(): value for name, value in kept.items()} if hasattr(kept, "items") else {}


def _status(error: BaseException) -> int:
    """The HTTP status of the error or its response, which each client names in its own way; 0 if there is none."""
    carriers = (error, getattr(error, "response", None))
    for found in (getattr(carrier, name, None) for carrier in carriers for name in ("status_code", "status", "code")):
        if isinstance(found, int) and 400 <= found <= 599:
            return int(found)
    return 0


def _s3_response(error: BaseException) -> dict[str, Any]:
    """What botocore keeps of an answer; s3fs translates the error and leaves the original as its cause."""
    for carrier in (error, error.__cause__):
        if isinstance(found := getattr(carrier, "response", None), dict):
            return found
    return {}


def _text(error: BaseException) -> str:
    return _TERMINAL_COLOURS.sub("", str(error))


def _told(code: object, message: object) -> str:
    return ": ".join(str(part) for part in (code, message) if part)
