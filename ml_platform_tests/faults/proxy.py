"""A proxy before the S3 server that counts the requests of one client, and lets one fault happen at one of them.

Belongs here: requests, and what can go wrong with one. Does not: what is expected to survive it (`crash_points`).

Requests and answers pass as they are, the header Host among them: the client's signature covers it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from ml_platform.local_servers.ports import LOOPBACK

Fault = Literal[
    "kill_before",
    "kill_after",
    "drop_before",
    "drop_after",
    "unavailable",
    "internal_error",
    "stall",
    "truncated",
    "forbidden",
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
WHAT_HAPPENS: dict[Fault, str] = {
    "kill_before": "the client is killed with SIGKILL; the server never hears of the request",
    "kill_after": "the server has done it; the client is killed with SIGKILL before it hears so",
    "drop_before": "the connection breaks; the server never hears of the request",
    "drop_after": "the server has done it; the connection breaks before the client hears so",
    "unavailable": "503 SlowDown with Retry-After: 1; the server never hears of the request",
    "internal_error": "500 InternalError; the server never hears of the request",
    "stall": "no answer for as long as the client waits; the server never hears of the request",
    "truncated": "the server has done it; half of its answer arrives, then the connection breaks",
    "forbidden": "403 AccessDenied; the server never hears of the request",
}
_REFUSALS = {"unavailable": "503 SlowDown", "internal_error": "500 InternalError", "forbidden": "403 AccessDenied"}
_DONE_ALL_THE_SAME = ("kill_after", "drop_after", "truncated")
_ANSWERED_WITHIN_SECONDS = 60.0


class Request(NamedTuple):
    """One request, whole: its head up to and with the empty line, and its body."""

    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        """Method and path."""
        return self.head.split(b" HTTP/", 1)[0].decode()


class FaultProxy:
    """Forwards to the server at `upstream`; at the `at`-th request (from 1) `fault` happens, once.

    `kill` ends the client. `seen` has method and path of every request, in the order they came.
    """

    def __init__(self, upstream: str, at: int, fault: Fault, kill: Callable[[], Awaitable[None]]) -> None:
        place = urlsplit(upstream)
        self._upstream = (str(place.hostname), int(place.port or 80))
        self._at, self._fault, self._kill = at, fault, kill
        self._connections: set[asyncio.Task[None]] = set()
        self.seen: list[str] = []
        self.endpoint_url = ""

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the client."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def quiet(self) -> None:
        """Return once nothing that was forwarded is under way any more; the client is gone by then."""
        while self._connections:
            await asyncio.wait(self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await read_request(reader, writer)
                self.seen.append(request.line)
                struck = len(self.seen) == self._at
                if struck and self._fault not in _REFUSALS:
                    return await self._break(request, reader, writer)
                writer.write(_refusal(self._fault, request) if struck else await self._forward(request))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return None  # the client is gone
        finally:
            writer.close()

    async def _break(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = await self._forward(request) if self._fault in _DONE_ALL_THE_SAME else b""
        if self._fault in ("kill_before", "kill_after"):
            await self._kill()
        if self._fault == "stall":
            await reader.read()  # until the client hangs up
        if self._fault == "truncated":
            head, body = answer.index(b"\r\n\r\n") + 4, len(answer)
            writer.write(answer[: (head + body) // 2 if body > head else head // 2])
            await writer.drain()
            return
        writer.transport.abort()

    async def _forward(self, request: Request) -> bytes:
        """The server's whole answer, with its own framing and without its `Connection: close`."""
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            head = _without(request.head, b"Connection", b"Expect")
            writer.write(head[:-2] + b"Connection: close\r\n\r\n" + request.body)
            answer = await asyncio.wait_for(reader.read(-1), _ANSWERED_WITHIN_SECONDS)
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return _without(head + b"\r\n\r\n", b"Connection") + body


@asynccontextmanager
async def fault_proxy(
    upstream: str, at: int, fault: Fault, kill: Callable[[], Awaitable[None]]
) -> AsyncIterator[FaultProxy]:
    """A proxy on a port of its own; the client must be gone when the block ends."""
    proxy = FaultProxy(upstream, at, fault, kill)
    server = await asyncio.start_server(proxy.accept, LOOPBACK, 0, limit=2**20)
    proxy.endpoint_url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.quiet()


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    if _header(head, b"Expect"):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if _header(head, b"Transfer-Encoding"):
        raise NotImplementedError("a client that sends its body in chunks of unknown number")
    return Request(head, await reader.readexactly(int(_header(head, b"Content-Length") or b"0")))


def _header(head: bytes, name: bytes) -> bytes | None:
    found = re.search(rb"(?im)^" + name + rb":[ \t]*(.*?)\r$", head)
    return found[1] if found else None


def _without(head: bytes, *names: bytes) -> bytes:
    return re.sub(rb"(?im)^(" + b"|".join(names) + rb"):.*?\r\n", b"", head)


def _refusal(fault: Fault, request: Request) -> bytes:
    status, _, code = _REFUSALS[fault].partition(" ")
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>A fault on purpose.</Message></Error>".encode()
    head = f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    if fault == "unavailable":
        head += "Retry-After: 1\r\n"
    return head.encode() + b"\r\n" + (b"" if request.head.startswith(b"HEAD ") else body)
