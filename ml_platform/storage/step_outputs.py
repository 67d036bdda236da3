"""What steps hand over that is neither a table nor a record: pickled objects beside the artifacts.

Belongs here: handing over between steps of one run, and of its retry, on whichever machines they are. Does not: what
outlives them (`io_managers`).
"""

import pickle

import dagster as dg

from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectStore

STEP_OUTPUTS = "steps"


class StepOutputs(dg.ConfigurableIOManager):
    """One object for each output of each step, below `steps/`."""

    location: dg.ResourceDependency[StorageLocation]

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Write the object."""
        self._objects().write(_path(context), pickle.dumps(obj))

    def load_input(self, context: dg.InputContext) -> object:
        """The object that the step before wrote, in this run or the one that it retries."""
        assert context.upstream_output is not None, "an input without a step before it has no object"
        return pickle.loads(self._objects().read(_path(context.upstream_output)))  # noqa: S301 - written above

    def _objects(self) -> ObjectStore:
        return self.location.artifacts()


def _path(context: dg.OutputContext) -> str:
    return "/".join([STEP_OUTPUTS, *context.get_identifier()])
