"""One code location, assembled from the folders of all use cases."""

import importlib
import warnings
from pathlib import Path
from typing import Literal

import dagster as dg
from dagster.components.core.component_tree import ComponentTreeException
from dagster_shared.record import replace

from ml_platform.components.references import FILE_NAME
from ml_platform.components.yaml_check import require_valid
from ml_platform.errors import DefinitionError, PlatformError
from ml_platform.settings import PROJECT_ROOT

Location = Literal["data", "training", "serving"]
COMPONENT_MODULES = tuple(f"ml_platform.{location}.component" for location in ("data", "training", "serving"))


def build_use_cases(location: Location, root: Path = PROJECT_ROOT) -> dg.Definitions:
    """The assets, checks and jobs that each use case's `<location>/defs.yaml` declares, merged.

    Raises:
        DefinitionError: no use case has a folder for the location, or a defs.yaml is wrong.
    """
    for module in COMPONENT_MODULES:
        importlib.import_module(module)  # the tree validates every defs.yaml, also those of the sibling locations
    tree = replace(dg.ComponentTree.for_project(root), code_location_name=location)
    folders = sorted(
        path.parent for path in tree.defs_module_path.glob(f"*/{FILE_NAME}") if (path.parent / location).is_dir()
    )
    if not folders:
        raise DefinitionError(
            f"No use case has a folder '{location}'.",
            remedy=f"Add use_cases/<name>/{FILE_NAME} and use_cases/<name>/{location}/defs.yaml.",
        )
    for folder in folders:
        path = folder / location / "defs.yaml"
        require_valid(path, f"use_cases/{folder.name}/{location}/defs.yaml")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # the tree's own use of what Dagster still calls beta
        return dg.Definitions.merge(*(_built(tree, f"{folder.name}/{location}") for folder in folders))


def _built(tree: dg.ComponentTree, path: str) -> dg.Definitions:
    """The definitions at `path`.

    Raises:
        DefinitionError: as the component raised it, without the tree's wrapping around it.
    """
    try:
        return tree.build_defs(path)
    except ComponentTreeException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, PlatformError):
            cause = cause.__cause__
        if cause is None:
            raise
        raise cause from None
