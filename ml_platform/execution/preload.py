"""What an isolated step has imported when it ends, so that the forkserver imports it first.

Belongs here: the list of modules, and how it is made. Does not: imports of its own; the forkserver does them.
"""

from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec

import yaml

LIST_FILE = "preload.yaml"
ENVIRONMENT = "ml_platform.execution.step_environment"


def step_modules(modules: Sequence[str] = ()) -> list[str]:
    """Modules to import before forking: what Dagster imports late, the libraries of steps, then `modules`.

    The list has leaves only: importing them brings in the rest.
    """
    known = _listed()
    return [ENVIRONMENT, *known, *(name for name in modules if name not in known)]


def library_modules() -> list[str]:
    """As `step_modules`, without the platform's own code, which may be edited while the forkserver lives."""
    return [ENVIRONMENT, *(name for name in _listed() if not name.startswith("ml_platform"))]


def _listed() -> list[str]:
    listed: list[str] = yaml.safe_load(files(__package__).joinpath(LIST_FILE).read_text())
    return [name for name in listed if find_spec(name.partition(".")[0])]
