"""One code location, assembled from the folders of all use cases."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Literal

import dagster as dg
from dagster.components.core.component_tree import ComponentTreeException

from ml_platform.components.declared import declared
from ml_platform.components.references import FILE_NAME, USE_CASES_PACKAGE, use_case_folders
from ml_platform.components.sound import Broken, each_of
from ml_platform.components.yaml_check import require_valid
from ml_platform.errors import DefinitionError, PlatformError
from ml_platform.settings import PROJECT_ROOT, environment_settings

Location = Literal["data", "training", "serving"]


def build_use_cases(location: Location, root: Path | None = None, *, strict: bool | None = None) -> dg.Definitions:
    """The assets, checks and jobs that each use case's `<location>/defs.yaml` declares, merged.

    A use case that is broken here is left out, and told in the log and in the metadata of the location.

    Raises:
        DefinitionError: no use case has a folder for the location; or one is broken, and it is `strict`, which is as
            settings say unless given.
    """
    folders = [folder for folder in use_case_folders(root) if (folder / location).is_dir()]
    if not folders:
        raise DefinitionError(
            f"No use case has a folder '{location}'.",
            remedy=f"Add use_cases/<name>/{FILE_NAME} and use_cases/<name>/{location}/defs.yaml, or `ml-platform new`",
        )
    names: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # the tree's own use of what Dagster still calls beta
        found = each_of(
            folders,
            lambda folder: _with_names_of_its_own(_built(folder, location), folder, location, names),
            f"the location {location}",
            strict=environment_settings().strict_definitions if strict is None else strict,
        )
        return dg.Definitions.merge(*found.sound, *(_told(broken) for broken in found.broken))


def _with_names_of_its_own(
    built: dg.Definitions, folder: Path, location: Location, names: dict[str, str]
) -> dg.Definitions:
    """The definitions, what only one use case can be called added to `names`.

    Raises:
        DefinitionError: another use case is called so.
    """
    own = {*_names(built), *_registered_models(folder, location)}
    if taken := sorted(own & names.keys()):
        raise DefinitionError(
            f"use_cases/{folder.name} has names that use_cases/{names[taken[0]]} has",
            expected="models, jobs, sensors, schedules and steps that are called as those of no other use case",
            got=", ".join(taken[:3]) + (f" and {len(taken) - 3} more" if len(taken) > 3 else ""),
            remedy="Rename the use case, its table, or its `registered_as` and `registered_model`.",
        )
    names |= dict.fromkeys(own, folder.name)
    return built


def _names(built: dg.Definitions) -> Iterator[str]:
    """Of what Dagster knows by one name in a location."""
    for kind in (built.jobs, built.sensors, built.schedules):
        yield from (each.name for each in kind or ())
    for assets in built.assets or ():
        if isinstance(assets, dg.AssetsDefinition) and assets.is_executable:
            yield from (each.name for each in assets.node_def.iterate_node_defs())


def _registered_models(folder: Path, location: Location) -> Iterator[str]:
    """What two use cases would register or promote versions of in turns."""
    if location == "training":
        for attributes in declared(folder, location, "ml_platform.training.component.TrainingPipeline"):
            yield from (f"registered model {model['registered_as']}" for model in attributes.get("models", ()))
    if location == "serving":
        for attributes in declared(folder, location, "ml_platform.serving.component.Deployment"):
            yield f"registered model {attributes['champion']['registered_model']}"


def _told(broken: Broken) -> dg.Definitions:
    return dg.Definitions(metadata={f"broken use case {broken.use_case}": broken.error})


def _built(folder: Path, location: Location) -> dg.Definitions:
    """The definitions of one use case, from a tree of components that has its one file alone.

    Raises:
        DefinitionError: as the component raised it, without the tree's wrapping around it.
    """
    name = f"use_cases/{folder.name}/{location}/defs.yaml"
    require_valid(folder / location / "defs.yaml", name)
    module = ModuleType(f"{USE_CASES_PACKAGE}.{folder.name}.{location}")
    module.__file__, module.__path__ = None, [str(folder / location)]
    tree = dg.ComponentTree(defs_module=module, project_root=PROJECT_ROOT)
    try:
        return tree.build_defs(folder / location)
    except ComponentTreeException as error:
        cause: BaseException = error
        while not isinstance(cause, PlatformError) and cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, DefinitionError):
            raise cause from None
        raise DefinitionError(f"{name}: {type(cause).__name__}: {cause}") from error
