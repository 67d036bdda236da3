"""All operations of the platform on its storage, and the tasks that a client does with one of them.

Belongs here: the list. Does not: the operations themselves (`on_tables`, `on_objects`, `on_runs`, `on_registry`).
"""

import importlib
from collections.abc import Collection
from typing import Any, NamedTuple

from ml_platform.settings import Settings
from ml_platform_tests.faults import on_objects, on_registry, on_runs, on_tables
from ml_platform_tests.faults.clients import Task
from ml_platform_tests.faults.operation import Seen

OPERATIONS = {**on_tables.OPERATIONS, **on_objects.OPERATIONS, **on_runs.OPERATIONS, **on_registry.OPERATIONS}


class Recovery(NamedTuple):
    """What a new process found, what it answered when it did the operation again, and what is there in the end."""

    found: Seen
    answer: str
    end: Seen


def perform(task: Task, operation: str, settings: Settings) -> Any:
    """Do a task of an operation; what comes back is plain data."""
    chosen = OPERATIONS[operation]
    match task:
        case "prepare":
            return chosen.prepare(settings)
        case "act":
            return chosen.act(settings)
        case "look":
            return chosen.see(settings)
        case "recover":
            return Recovery(chosen.see(settings), chosen.act(settings), chosen.see(settings))


def import_for(names: Collection[str]) -> None:
    """Import what these operations import late, and use nothing of it."""
    importlib.import_module("s3fs")
    if not on_registry.OPERATIONS.keys().isdisjoint(names):
        from ml_platform.tracking._client import import_quietly

        import_quietly()
        for module in ("sklearn.ensemble", "skops.io"):
            importlib.import_module(module)
