"""A proxy before a store that can be told to refuse, break off or delay every request for a while.

Belongs here: trouble that lasts. Does not: one fault at one request (`faults.proxy`).
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ml_platform.local_servers.ports import LOOPBACK
from ml_platform_tests.faults.proxy import FaultProxy, read_request


class Outage(NamedTuple):
    """What happens to every request while it lasts."""

    what: str
    status: int = 0
    retry_after_seconds: int = 0
    is_reset: bool = False
    delay_seconds: float = 0.0

    def answer(self) -> bytes:
        """The refusal, without a body, so that it answers a HEAD as well."""
        head = f"HTTP/1.1 {self.status} Refused\r\nContent-Length: 0\r\n"
        return (head + (f"Retry-After: {self.retry_after_seconds}\r\n" if self.retry_after_seconds else "")).encode()


class OutageProxy(FaultProxy):
    """Forwards to the server at `upstream`, unless there is an outage; `struck` counts the requests that met one."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream, at=0, fault="drop_before", kill=_nobody)
        self._outage: Outage | None = None
        self.struck = 0

    def begin(self, outage: Outage) -> None:
        """From now on."""
        self._outage = outage

    def end(self) -> None:
        """As if nothing had been."""
        self._outage = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await read_request(reader, writer)
                outage = self._outage
                self.struck += outage is not None
                if outage and outage.is_reset:
                    return writer.transport.abort()
                if outage:
                    await asyncio.sleep(outage.delay_seconds)
                refused = outage is not None and outage.status
                writer.write(outage.answer() + b"\r\n" if outage and refused else await self._forward(request))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        finally:
            writer.close()


@contextmanager
def outage_proxy(upstream: str) -> Iterator[OutageProxy]:
    """A proxy on a port of its own, served by a thread."""
    proxy, loop = OutageProxy(upstream), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve() -> asyncio.Server:
        return await asyncio.start_server(proxy.accept, LOOPBACK, 0, limit=2**20)

    server = asyncio.run_coroutine_threadsafe(serve(), loop).result()
    proxy.endpoint_url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    """Nothing of the proxy goes on."""
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _nobody() -> None:
    """There is no client to kill."""
