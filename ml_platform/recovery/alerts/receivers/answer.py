"""What a receiver's answer means for a message: taken, later, or never.

Belongs here: HTTP's answers, and what is wrong where there is none. Does not: how a message looks.
"""

import logging
from collections.abc import Iterable
from typing import NamedTuple

import requests
from pydantic import SecretStr

from ml_platform.storage.answers import seconds_asked

_LATER = {408, 425, 429}
_MOST_TOLD = 200

silent = logging.getLogger("ml_platform.alerts.silent")
"""For clients that would log what they send, addresses that are secrets included."""
silent.addHandler(logging.NullHandler())
silent.propagate = False
silent.setLevel(logging.CRITICAL)


class Answer(NamedTuple):
    """`is_taken`: it is there. `is_final`: it never will be as it is. Neither: the same may be taken later."""

    is_taken: bool
    is_final: bool = False
    reason: str = ""
    retry_after_seconds: float | None = None


TAKEN = Answer(True)
NO_ADDRESS = Answer(False, True, "its address cannot be used; expected http://... or https://...")


def of_http(status: int, retry_after: str | None, body: str, secrets: Iterable[SecretStr]) -> Answer:
    """What an HTTP status means; `body` is told in short, without any of `secrets`."""
    if 200 <= status < 300:
        return TAKEN
    told = f"HTTP {status}" + (f", {masked(body, secrets)}" if body.strip() else "")
    if status >= 500 or status in _LATER:
        return Answer(False, False, told, seconds_asked(retry_after or ""))
    return Answer(False, True, told)


def of_no_answer(error: BaseException) -> Answer:
    """Nobody answered, or not in time; the error's text is left out, which would name the address."""
    deepest: BaseException | None = error
    while deepest is not None:
        if isinstance(deepest, OSError) and deepest.strerror and not isinstance(deepest, requests.RequestException):
            return Answer(False, False, f"no answer: {deepest.strerror.lower()}")
        if isinstance(deepest, TimeoutError):
            return Answer(False, False, "no answer in time")
        deepest = _cause(deepest)
    return Answer(False, False, f"no answer: {type(error).__name__}")


def masked(text: str, secrets: Iterable[SecretStr]) -> str:
    """`text` in one short line, without any of `secrets`."""
    for each in secrets:
        if each.get_secret_value():
            text = text.replace(each.get_secret_value(), "***")
    return " ".join(text.split())[:_MOST_TOLD]


def post(
    url: str, body: bytes, headers: dict[str, str], timeout_seconds: float, secrets: Iterable[SecretStr]
) -> Answer:
    """The answer to one POST, which is not tried again and follows no redirect."""
    try:
        with requests.post(
            url,
            data=body,
            headers={"Content-Type": "application/json", **headers},
            timeout=timeout_seconds,
            allow_redirects=False,
            stream=True,
        ) as response:
            told = response.raw.read(4 * _MOST_TOLD, decode_content=True).decode(errors="replace")
            return of_http(response.status_code, response.headers.get("Retry-After"), told, secrets)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        return of_no_answer(error)
    except (requests.RequestException, ValueError):
        return NO_ADDRESS


def shortened(text: str, most: int) -> str:
    """`text`, cut with an ellipsis where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _cause(error: BaseException) -> BaseException | None:
    """What is behind an error; urllib3 hides it in a field or among the arguments."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return reason
    behind = error.__cause__ or error.__context__
    return behind or next((each for each in error.args if isinstance(each, BaseException)), None)
