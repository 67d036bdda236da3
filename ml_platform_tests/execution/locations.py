"""Code locations that are loaded into the process itself, for Dagster's own daemon code to work on."""

import sys
from collections.abc import Sequence

from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import WorkspaceLoadTarget


class InThisProcess(WorkspaceLoadTarget):
    """What `build_location` of some modules returns, each as a location with the name of its module."""

    def __init__(self, *modules: str, attribute: str = "build_location") -> None:
        """Nothing is loaded yet."""
        self.modules, self.attribute = modules, attribute

    def create_origins(self) -> Sequence[InProcessCodeLocationOrigin]:
        """The origin of each."""
        return [InProcessCodeLocationOrigin(self._target(module), location_name=module) for module in self.modules]

    def _target(self, module: str) -> LoadableTargetOrigin:
        return LoadableTargetOrigin(executable_path=sys.executable, module_name=module, attribute=self.attribute)
