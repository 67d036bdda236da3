"""A server that is started again when it dies, at the same address.

Belongs here: noticing and starting. Does not: the servers, or who uses them (`shared`).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import NamedTuple

import psutil

from ml_platform.errors import LocalServerError
from ml_platform.local_servers.ports import free_ports

LOOK_EVERY_SECONDS = 0.5


class Running(NamedTuple):
    """A server that answers at `address`, and the process that all of it hangs on."""

    address: str
    process_id: int


Start = Callable[[int], AbstractContextManager[Running]]
"""Gives a server on that port, which ends with the block."""


@contextmanager
def kept(start: Start, tell: Callable[[Running], None], port: int | None = None) -> Iterator[Running]:
    """The server, on any port unless one is given, started again as often as its process dies within the block.

    `tell` is told of each one.

    Raises:
        LocalServerError: it did not come up at first. Later it is tried again until it does.
    """
    keeper = _Keeper(start, tell, port or free_ports(1)[0])
    running = keeper.begin()
    watch = threading.Thread(target=keeper.watch, name=f"keep-{running.address}", daemon=True)
    watch.start()
    try:
        yield running
    finally:
        keeper.ended.set()
        watch.join()
        keeper.end()


class _Keeper:
    def __init__(self, start: Start, tell: Callable[[Running], None], port: int) -> None:
        self._start, self._tell, self._port = start, tell, port
        self._block: AbstractContextManager[Running] | None = None
        self._process_id = 0
        self.ended = threading.Event()

    def begin(self) -> Running:
        block = self._start(self._port)
        running = block.__enter__()
        self._block, self._process_id = block, running.process_id
        self._tell(running)
        return running

    def end(self) -> None:
        if self._block is not None:
            self._block.__exit__(None, None, None)
            self._block = None

    def watch(self) -> None:
        while not self.ended.wait(LOOK_EVERY_SECONDS):
            if self._block is None or not _lives(self._process_id):
                self.end()
                with suppress(LocalServerError):  # its log says why; tried again at the next look
                    self.begin()


def _lives(process_id: int) -> bool:
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
