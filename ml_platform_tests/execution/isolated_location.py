"""A code location whose steps use what the platform's steps use, each in a process of its own."""

import json
import sys
from multiprocessing.util import Finalize
from pathlib import Path

import dagster as dg

from ml_platform.execution.executors import isolated_executor
from ml_platform.settings import Settings


class Where(dg.Config):
    """Folder that a step may write to."""

    folder: str


def leave_module_names(path: str) -> None:
    """Write the names of all imported modules, and which of them were there before the fork."""
    Path(path).write_text(json.dumps(list(sys.modules)))


@dg.op
def start() -> int:
    """The first step of a run."""
    return 1


@dg.op
def use_everything(config: Where, before: int) -> int:
    """Read and write a table, fit, search, save, track and plot, and leave the names of the modules at the very end."""
    Finalize(None, leave_module_names, (f"{config.folder}/modules.json",), exitpriority=-100)
    from ml_platform_tests.execution import everything

    everything.run(Path(config.folder))
    return before


@dg.op
def light(before: int) -> int:
    """A step that does nothing."""
    return before


@dg.job
def all_libraries() -> None:
    """One step that uses every library."""
    use_everything(start())


@dg.job
def chain() -> None:
    """Six steps, one after the other."""
    value = start()
    for i in range(5):
        value = light.alias(f"light_{i}")(value)


defs = dg.Definitions(jobs=[all_libraries, chain], executor=isolated_executor(Settings()))
