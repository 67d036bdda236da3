"""What an isolated step has imported when it ends, so that the forkserver imports it first.

Belongs here: the list of modules, and how it is made. Does not: imports of its own; the forkserver does them.
"""

from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec

import yaml

LIST_FILE = "preload.yaml"


def step_modules(modules: Sequence[str] = ()) -> list[str]:
    """Modules to import before forking: what Dagster imports late, the libraries of steps, then `modules`.

    The list has leaves only: importing them brings in the rest.
    """
    listed: list[str] = yaml.safe_load(files(__package__).joinpath(LIST_FILE).read_text())
    known = [name for name in listed if find_spec(name.partition(".")[0])]
    return [*known, *(name for name in modules if name not in known)]
