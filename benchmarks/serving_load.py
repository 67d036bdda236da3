"""A load generator: requests over kept connections from one event loop, with their latencies.

Belongs here: sending a request often, as fast as answers come or at a rate. Does not: what is measured (`serving`).
"""

import asyncio
import time
from collections.abc import Coroutine
from selectors import SelectSelector
from typing import Any, NamedTuple

import numpy as np


class Target(NamedTuple):
    """Where a request goes, and what it is."""

    port: int
    path: str
    body: bytes

    @property
    def message(self) -> bytes:
        """The request as it is sent."""
        head = f"POST {self.path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        return f"{head}content-length: {len(self.body)}\r\n\r\n".encode() + self.body


class Measured(NamedTuple):
    """Answers a second, and latencies in milliseconds; `failed` had another status than 200."""

    per_second: float
    p50: float
    p99: float
    failed: int


def closed(target: Target, *, clients: int, seconds: float) -> Measured:
    """Each client asks again when it has its answer."""
    return _run(_closed(target, clients, seconds))


def at_rate(target: Target, *, per_second: float, clients: int, seconds: float) -> Measured:
    """Requests are due at a rate; a late one is measured from when it was due."""
    return _run(_at_rate(target, per_second, clients, seconds))


def _run(load: Coroutine[Any, Any, Measured]) -> Measured:
    """What the load gives, in an event loop that wakes up in time: the usual one does so to the next millisecond."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(SelectSelector())) as runner:
        return runner.run(load)


async def _closed(target: Target, clients: int, seconds: float) -> Measured:
    began, taken, failed = time.perf_counter(), [], [0]

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        while time.perf_counter() < began + seconds:
            sent = time.perf_counter()
            failed[0] += await _ask(reader, writer, target.message) != 200
            taken.append(time.perf_counter() - sent)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return _measured(taken, time.perf_counter() - began, failed[0])


async def _at_rate(target: Target, per_second: float, clients: int, seconds: float) -> Measured:
    due: asyncio.Queue[float] = asyncio.Queue()
    began, taken, failed = time.perf_counter(), [], [0]
    for number in range(max(1, int(per_second * seconds))):
        due.put_nowait(began + number / per_second)

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        while not due.empty():
            at = due.get_nowait()
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            failed[0] += await _ask(reader, writer, target.message) != 200
            taken.append(time.perf_counter() - at)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return _measured(taken, time.perf_counter() - began, failed[0])


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> int:
    """Status of the answer, which is read to its end."""
    writer.write(message)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next((line for line in head.split("\r\n") if line.startswith("content-length:")), None)
    if length is None:
        raise RuntimeError(f"an answer without a length: {head}")
    await reader.readexactly(int(length.partition(":")[2]))
    return int(head.split(" ", 2)[1])


def _measured(taken: list[float], seconds: float, failed: int) -> Measured:
    milliseconds = np.array(taken) * 1000
    p50, p99 = np.percentile(milliseconds, [50, 99])
    return Measured(len(taken) / seconds, float(p50), float(p99), failed)
