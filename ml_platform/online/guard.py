"""What every request passes first: a token, limits of size and number, time-outs, and a log line without its content.

Belongs here: what holds for all paths alike, as one ASGI layer. Does not: any answer (`app`).
"""

import asyncio
import hmac
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from ml_platform.online.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/ping", "/health", "/ready", "/docs", "/openapi.json"})
"""What a load balancer and a reader of the documentation may ask without a token."""
KNOWN_PATHS = OPEN_PATHS | {"/predict", "/invocations", "/version", "/metrics", "/model"}
log = logging.getLogger("ml_platform.online")


class _RefusedError(Exception):
    """A request that is not let through."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        self.body = json.dumps({"error": {"code": code, "message": message}}).encode()


@dataclass
class Guard:
    """The layer around the application."""

    app: App
    metrics: Metrics
    token: SecretStr | None
    most_body_bytes: int
    timeout_seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        scope["request_id"] = request_id = os.urandom(16).hex()

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            self._require_token(scope)
            body = await self._body(scope, receive)
            await self.app(scope, _of(body, receive), told)
        except _RefusedError as refused:
            await _answer(told, refused)
        finally:
            self._count(scope, status, time.perf_counter() - began)

    def _require_token(self, scope: Scope) -> None:
        if self.token is None or scope["path"] in OPEN_PATHS:
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        expected = b"Bearer " + self.token.get_secret_value().encode()
        if not hmac.compare_digest(given, expected):
            raise _RefusedError(401, "no_token", "A valid bearer token is needed.", {"www-authenticate": "Bearer"})

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, once it is seen to be small enough and to arrive in time."""
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.most_body_bytes:
            raise self._too_large()
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.timeout_seconds):
                while (message := await receive())["type"] == "http.request":
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self.most_body_bytes:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise _RefusedError(
                408, "too_slow", "The request did not arrive in time.", {"connection": "close"}
            ) from None
        return b"".join(parts)

    def _too_large(self) -> _RefusedError:
        told = f"The body is larger than {self.most_body_bytes} bytes."
        return _RefusedError(413, "too_large", told, {"connection": "close"})

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in KNOWN_PATHS else "other"
        self.metrics.requests.labels(path, str(status)).inc()
        self.metrics.seconds.labels(path).observe(seconds)
        line = {"path": path, "status": status, "ms": round(seconds * 1000, 2), "request_id": scope["request_id"]}
        log.info(json.dumps(line))


def _of(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body that was read, and then what comes after it."""
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _answer(send: Send, refused: _RefusedError) -> None:
    headers = {"content-type": "application/json", **refused.headers}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": encoded})
    await send({"type": "http.response.body", "body": refused.body})
