"""Isolation: a function in a process of its own, so that what kills it kills nothing else."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, ParamSpec, TypeVar

from ml_platform.errors import TrialLostError

ORPHANED = 70  # exit code of a process whose parent is gone; nobody is left to read it but the log of the system

P = ParamSpec("P")
R = TypeVar("R")


class _Outcome(NamedTuple):
    """What came back through the pipe: a pickled result, or a pickled exception."""

    is_result: bool
    payload: bytes


def run_isolated(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of `function(*args, **kwargs)`, computed in a forked child of this process.

    The child starts in milliseconds with everything that is imported here. A thread pool that already ran in this
    process does not exist in the child: fork before anything here used OpenMP (a scikit-learn fit) or ran a polars
    query, or the child may hang. An exception of the child is raised here, as it was. The child dies with this process,
    so that whoever tries again works alone.

    Raises:
        TrialLostError: the child died without an answer: killed, out of memory, or crashed.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(sender, function, args, kwargs), daemon=False)
    child.start()
    sender.close()
    try:
        wait([receiver, child.sentinel])  # the pipe alone may be held open by another child
        outcome = _received(receiver) if receiver.poll() else None
    finally:
        receiver.close()
        child.join()
    if outcome is None:
        raise _lost(getattr(function, "__qualname__", str(function)), child.exitcode)
    value = pickle.loads(outcome.payload)  # noqa: S301 - written by this process's own child
    if outcome.is_result:
        return value  # type: ignore[no-any-return]
    raise value


def _received(receiver: Connection) -> _Outcome | None:
    try:
        is_result, payload = receiver.recv()
    except EOFError:
        return None
    return _Outcome(is_result, payload)


def end_with_worker(run_id: str) -> None:
    """End this step's process as soon as the worker of its run is gone, so that a retry of the run works alone.

    A step that runs in the worker itself, which is called after its run or is nobody's child, goes on.
    """
    if multiprocessing.current_process().name != run_id:
        end_with_parent()


def end_with_parent() -> None:
    """End this process as soon as the one that forked it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), name="end-with-parent", daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(ORPHANED)


def _answer(sender: Connection, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # a handler of the parent is about the parent's work
    end_with_parent()
    try:
        outcome = _Outcome(True, pickle.dumps(function(*args, **kwargs)))
    except Exception as error:  # noqa: BLE001 - every failure of the child belongs to the parent
        outcome = _Outcome(False, _portable(error))
    sender.send(tuple(outcome))
    sender.close()


def _portable(error: Exception) -> bytes:
    """The exception itself where it survives pickling, otherwise one that says the same."""
    try:
        payload = pickle.dumps(error)
        pickle.loads(payload)  # noqa: S301 - just written
    except (pickle.PicklingError, TypeError, AttributeError, ValueError):
        return pickle.dumps(RuntimeError(f"{type(error).__qualname__}: {error}"))
    return payload


def _lost(name: str, exit_code: int | None) -> TrialLostError:
    code = exit_code or 0
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return TrialLostError(
        f"The process of {name} {how} before it answered.",
        kept="Nothing else was touched; its checkpoints stand.",
        remedy="Run it again; if it was SIGKILL, give the machine more memory or run fewer at once.",
    )
