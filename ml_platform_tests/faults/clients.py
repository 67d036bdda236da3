"""Clients: processes that do one thing each and can be killed, forked from one process that has imported everything.

Belongs here: both ends of the socket. Does not: what the clients do (`operations`), or when they die (`proxy`).

The warm process never uses a thread pool, so that its children may: it imports, forks and waits.
"""

import asyncio
import base64
import ctypes
import json
import os
import pickle
import select
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from pydantic import SecretStr

from ml_platform.settings import PROJECT_ROOT, Settings

Task = Literal["prepare", "act", "look", "recover"]
ENDS_WITHIN_SECONDS = 180.0
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")  # a thread does not come along into a fork
_DONE, _FAILED, _HUNG = 0, 1, 2


class Strike(NamedTuple):
    """A fault of local files: at which change below the settings' home (from 1; 0: never), and which (else: kill)."""

    at: int
    disk_full: bool = False


class Command(NamedTuple):
    """What a client does: a task of an operation, on the storage that the settings name."""

    task: Task
    operation: str
    settings: Settings
    strike: Strike | None = None


class Ended(NamedTuple):
    """How a client ended: its exit code (negative: the signal), what it answered, or the error that it raised.

    `changes` are those of local files that it got to, if a strike was laid.
    """

    exit_code: int
    answer: Any
    error: str
    changes: int
    seconds: float = 0.0

    @property
    def succeeded(self) -> bool:
        """Whether it did what it was told, as far as it knows."""
        return self.exit_code == _DONE

    @property
    def hung(self) -> bool:
        """Whether it had to be killed because it came to no end."""
        return self.exit_code == _HUNG


class Line:
    """A line to the warm process: one client at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def run(self, command: Command, started: Callable[[int], None] = lambda _: None) -> Ended:
        """How a new client ended; `started` is told its process id. One that does not end is killed."""
        self._writer.write(base64.b64encode(pickle.dumps(command)) + b"\n")
        process_id = json.loads(await self._reader.readline())
        started(process_id)
        try:
            return Ended(*json.loads(await asyncio.wait_for(self._reader.readline(), ENDS_WITHIN_SECONDS)))
        except TimeoutError:
            os.kill(process_id, signal.SIGKILL)
            ended = Ended(*json.loads(await self._reader.readline()))
            return ended._replace(exit_code=_HUNG, error=f"It did not end within {ENDS_WITHIN_SECONDS:.0f} seconds.")

    def hang_up(self) -> None:
        """No more clients."""
        self._writer.close()


@asynccontextmanager
async def warm_process(
    folder: Path, lines: int, operations: Sequence[str], preload: str = ""
) -> AsyncIterator[list[Line]]:
    """So many lines to one process that is warm for `operations`; its socket is in `folder`."""
    path = folder / "clients"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", __name__, str(path), *operations),
        cwd=PROJECT_ROOT,
        env={**os.environ, "LD_PRELOAD": preload, **dict.fromkeys(_THREADS, "1")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    opened: list[Line] = []
    try:
        assert await process.stdout.readline() == b"ready\n", "the warm process did not come up"
        opened += [Line(*await asyncio.open_unix_connection(str(path), limit=2**24)) for _ in range(lines)]
        yield opened
    finally:
        for line in opened:
            line.hang_up()
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def main() -> None:
    """Import, then fork a process for each line, until the driver is gone."""
    from ml_platform_tests.faults import operations

    operations.import_for(sys.argv[2:])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                _serve(connection)
                os._exit(0)
            connection.close()


def _serve(connection: socket.socket) -> None:
    """Fork a client for each command, and tell how it ended."""
    with connection, connection.makefile("rw") as line:
        for text in line:
            receiver, sender = os.pipe()
            process_id = os.fork()
            if process_id == 0:
                os.close(receiver)
                _be_a_client(pickle.loads(base64.b64decode(text)), sender)
            os.close(sender)
            _tell(line, process_id)
            with os.fdopen(receiver, "rb") as pipe:
                answered = pipe.read()
            code = os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])
            _tell(line, (code, *(json.loads(answered) if answered else (None, "", 0))))


def _be_a_client(command: Command, sender: int) -> None:
    from ml_platform_tests.faults import operations

    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.environ.update(environment_of(command.settings))
    files = ctypes.CDLL(None)  # with `file_faults` in it, if that is loaded
    if command.strike is not None:
        files.arm(str(command.settings.home).encode(), command.strike.at, command.strike.disk_full)
    try:
        answer, error, code = operations.perform(command.task, command.operation, command.settings), "", _DONE
    except Exception as raised:  # noqa: BLE001 - every failure of a client is told, and judged elsewhere
        answer, error, code = None, f"{type(raised).__name__}: {raised}", _FAILED
    with os.fdopen(sender, "w") as pipe:
        json.dump((answer, error, files.changed() if command.strike else 0), pipe)
    os._exit(code)


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables that lead another process to these settings: those that were set."""
    values = {name: getattr(settings, name) for name in sorted(settings.model_fields_set)}
    return {f"ML_PLATFORM_{name.upper()}": _as_text(value) for name, value in values.items() if value is not None}


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _tell(line: IO[str], what: object) -> None:
    line.write(json.dumps(what) + "\n")
    line.flush()


if __name__ == "__main__":
    main()
