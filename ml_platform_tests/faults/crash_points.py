"""Crash points, enumerated: each operation, interrupted by each fault at each of its requests, and then done again.

Belongs here: what is tried, and the verdict. Does not: faults (`proxy`), operations, or how it is told (`report`).

The verdict on a point is that of a reader and of a second attempt. A reader must see each published thing whole, old or
new, and nothing new while something that it rests on is old. A new process must be able to do the operation again, to
the answer and the state that an undisturbed one leaves. One that says it succeeded must have. All else is torn.
"""

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

import boto3

from ml_platform.local_servers.object_server import ObjectServer
from ml_platform.settings import Settings
from ml_platform_tests.faults.clients import Command, Ended, Line, Strike, warm_process
from ml_platform_tests.faults.operation import Seen
from ml_platform_tests.faults.operations import OPERATIONS, Recovery
from ml_platform_tests.faults.proxy import FAULTS, Fault, fault_proxy
from ml_platform_tests.places import WRITER, local_settings, s3_settings

Verdict = Literal["survived", "failed", "torn", "missed"]
CLIENTS_AT_ONCE = 6
PATIENCE_SECONDS = 2.0
"""How long a client waits for an answer that never comes."""
_NEVER = 0

FileFault = Literal["killed", "disk_full"]
FILE_FAULTS: tuple[FileFault, ...] = get_args(FileFault)
AnyFault = Fault | FileFault


class Undisturbed(NamedTuple):
    """An operation that nothing disturbs: what was there, its answer, what is there then, and its requests."""

    settings: Settings
    old: Seen
    answer: str
    new: Seen
    requests: tuple[str, ...]


class Tried(NamedTuple):
    """One point: what happened to the operation, and why it is torn if it is.

    `survived`: it succeeded in spite of the fault; `failed`: it was killed or raised, with nothing half done; `missed`:
    it came to an end with fewer requests this time.
    """

    operation: str
    fault: AnyFault
    at: int
    request: str
    verdict: Verdict
    told: str
    problem: str
    seconds: float


class Explorer:
    """Points tried on one server, or on local files, several at once, each on a copy of the same state."""

    def __init__(self, server: ObjectServer | None, folder: Path, lines: Sequence[Line]) -> None:
        self._server, self._folder = server, folder
        self._lines: asyncio.Queue[Line] = asyncio.Queue()
        for line in lines:
            self._lines.put_nowait(line)
        self._states = 0

    async def undisturbed(self, operation: str) -> Undisturbed:
        """The operation as it goes, from a state that is kept to be copied."""
        before = self._new_place()
        await self._must(Command("prepare", operation, before))
        old = await self._must(Command("look", operation, before))
        settings = await self._copy(before)
        acted, requests = await self._act(operation, settings, _NEVER, "kill_before")
        assert acted.succeeded, f"{operation}: {acted.error}"
        recovery = Recovery(*await self._must(Command("recover", operation, settings)))
        assert recovery.answer == acted.answer, f"{operation}: a second time it answers {recovery.answer}"
        assert recovery.found == recovery.end, f"{operation}: a second time changes what is there"
        return Undisturbed(before, old, acted.answer, recovery.end, tuple(requests))

    async def try_point(self, operation: str, undisturbed: Undisturbed, fault: AnyFault, at: int) -> Tried:
        """What becomes of the operation if `fault` happens at its request `at`."""
        settings = await self._copy(undisturbed.settings)
        acted, requests = await self._act(operation, settings, at, fault)
        request = _shortened(requests[at - 1]) if len(requests) >= at else ""
        recovered = await self._run(Command("recover", operation, settings))
        problem = _problem(operation, undisturbed, acted, recovered)
        verdict: Verdict = "survived" if acted.succeeded else "failed"
        verdict = "torn" if problem else verdict if request else "missed"
        return Tried(operation, fault, at, request, verdict, acted.error, problem, acted.seconds)

    async def _act(self, operation: str, settings: Settings, at: int, fault: AnyFault) -> tuple[Ended, list[str]]:
        """How the operation ended under the fault, and the requests that it made."""
        if self._server is None or fault in FILE_FAULTS:
            ended = await self._run(Command("act", operation, settings, Strike(at, fault == "disk_full")))
            return ended, ["a change of a file"] * (ended.changes or at)  # one that was killed has not told
        process_id: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        kill = partial(_kill, process_id)
        async with fault_proxy(self._server.endpoint_url, at, cast("Fault", fault), kill) as proxy:
            changes: dict[str, Any] = {"s3_endpoint_url": proxy.endpoint_url}
            if fault == "stall":
                changes |= {"s3_read_timeout_seconds": PATIENCE_SECONDS}
            through = _changed(settings, changes)
            ended = await self._run(Command("act", operation, through), process_id.set_result)
        return ended, proxy.seen

    async def _run(self, command: Command, started: Any = lambda _: None) -> Ended:
        line = await self._lines.get()
        try:
            began = time.monotonic()
            ended = await line.run(command, started)
            return ended._replace(seconds=round(time.monotonic() - began, 1))
        finally:
            self._lines.put_nowait(line)

    async def _must(self, command: Command) -> Any:
        ended = await self._run(command)
        assert ended.succeeded, f"{command.operation}, {command.task}: {ended.error}"
        return ended.answer

    def _new_place(self) -> Settings:
        self._states += 1
        home = self._folder / f"state-{self._states:06d}"
        home.mkdir()
        return local_settings(home) if self._server is None else s3_settings(home, self._server)

    async def _copy(self, settings: Settings) -> Settings:
        copied = self._new_place()
        await asyncio.to_thread(_copy_state, self._server, settings, copied)
        return copied


@asynccontextmanager
async def explorer(server: ObjectServer | None, folder: Path, operations: Sequence[str]) -> AsyncIterator[Explorer]:
    """Ready to try the points of `operations` on a server, or on local files without one."""
    preload = "" if server else str(file_faults(folder))
    async with warm_process(folder, CLIENTS_AT_ONCE, operations, preload) as lines:
        yield Explorer(server, folder, lines)


async def explore(
    explorer: Explorer, operation: str, faults: Iterable[AnyFault] = FAULTS, every: int = 1
) -> list[Tried]:
    """Every request of an operation (or each `every`-th and the last) with each of the faults."""
    undisturbed = await explorer.undisturbed(operation)
    count = len(undisturbed.requests)
    numbers = sorted({*range(1, count + 1, every), count})
    points = [(fault, at) for fault in faults for at in numbers if at]
    return await asyncio.gather(*(explorer.try_point(operation, undisturbed, fault, at) for fault, at in points))


async def _kill(process_id: "asyncio.Future[int]") -> None:
    os.kill(await process_id, 9)


def _problem(operation: str, undisturbed: Undisturbed, acted: Ended, recovered: Ended) -> str:
    """What is wrong after a fault and a second attempt; empty if nothing is."""
    if acted.hung:
        return acted.error
    if not recovered.succeeded:
        return f"a reader or the second attempt fails: {recovered.error}"
    found, answer, end = Recovery(*recovered.answer)
    if torn := _torn(found, undisturbed.old, undisturbed.new, OPERATIONS[operation].in_order):
        return torn
    if acted.succeeded and (acted.answer, found) != (undisturbed.answer, undisturbed.new):
        return f"it said that it succeeded with {acted.answer}, and a reader sees {found}"
    if (answer, end) != (undisturbed.answer, undisturbed.new):
        return f"the second attempt ends with {answer} and {end}, not with {undisturbed.answer} and {undisturbed.new}"
    return ""


def _torn(found: Seen, old: Seen, new: Seen, in_order: bool) -> str:
    for name, content in found.items():
        if content not in (old[name], new[name]):
            return f"{name} is neither old nor new: {content}"
    is_new = [content == new[name] for name, content in found.items() if old[name] != new[name]]
    if in_order and is_new != sorted(is_new, reverse=True):
        return f"something is new before what it rests on: {found}"
    return ""


def _changed(settings: Settings, changes: dict[str, Any]) -> Settings:
    return Settings(**{**{name: getattr(settings, name) for name in Settings.model_fields}, **changes})


def _shortened(request: str) -> str:
    """A request without the prefix of its state and the names that are drawn by lot."""
    method, _, path = request.partition(" ")
    return f"{method} {re.sub(r'/lake/[0-9a-f]{12}|[0-9a-f]{12}%2F', '', path)[:120]}"


def file_faults(folder: Path) -> Path:
    """The library that strikes changes of files, compiled."""
    library = folder / "file_faults.so"
    source = Path(__file__).with_name("file_faults.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def _copy_state(server: ObjectServer | None, source: Settings, target: Settings) -> None:
    """All objects and local files of one state as another, which is empty."""
    shutil.copytree(source.home, target.home, dirs_exist_ok=True)
    _move_tracking(source, target)
    if server is None:
        return
    client, old, new = _client(server.endpoint_url), _prefix(source), _prefix(target)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=server.bucket, Prefix=old):
        for entry in page.get("Contents", ()):
            where = {"Bucket": server.bucket, "Key": entry["Key"]}
            client.copy_object(Bucket=server.bucket, Key=new + entry["Key"].removeprefix(old), CopySource=where)


def _move_tracking(source: Settings, target: Settings) -> None:
    """Let the tracking store of `target` name its own artifacts; the names are of equal length."""
    store = target.home / "mlflow" / "mlflow.db"
    if store.exists():
        with closing(sqlite3.connect(store)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        old, new = source.artifact_uri.encode(), target.artifact_uri.encode()
        store.write_bytes(store.read_bytes().replace(old, new))


@cache
def _client(endpoint_url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=WRITER.access_key_id,
        aws_secret_access_key=WRITER.secret_access_key,
        region_name="us-east-1",
    )


def _prefix(settings: Settings) -> str:
    return f"{settings.data_uri.split('/')[3]}/"
