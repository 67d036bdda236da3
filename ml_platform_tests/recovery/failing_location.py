"""A code location whose steps fail as they are told, some of them only at first."""

import os
import signal
from pathlib import Path

import dagster as dg

from ml_platform.execution.launch import CodeLocation
from ml_platform.recovery.attempts import batch_count
from ml_platform.recovery.retries import StepRetries

LOCATION = CodeLocation("failing", __name__)


class Sieve(dg.IOManager):
    """Keeps nothing, and loses its connection at the first attempt to write or to read."""

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Fail where the asset is one that is told to."""
        if context.asset_key.path == ["unwritten"] and not context.step_context.previous_attempt_count:
            raise ConnectionResetError("while writing")

    def load_input(self, context: dg.InputContext) -> object:
        """Fail at first."""
        if not context.step_context.previous_attempt_count:
            raise ConnectionResetError("while reading")
        return 1


@dg.asset(retry_policy=StepRetries())
def wrong() -> None:
    """A mistake in the code of a use case."""
    raise ValueError("a mistake")


@dg.asset(retry_policy=StepRetries())
def flaky(context: dg.AssetExecutionContext) -> None:
    """No answer at the first two attempts."""
    if context.retry_number < 2:
        raise ConnectionError("no answer")


@dg.asset(retry_policy=StepRetries())
def unreachable() -> None:
    """No answer, ever."""
    raise ConnectionError("no answer")


@dg.asset(retry_policy=StepRetries(idempotency="once"))
def not_repeatable() -> None:
    """What must not be done twice, and failed."""
    raise ConnectionError("no answer")


@dg.asset(retry_policy=StepRetries())
def refused() -> None:
    """A failure that says itself that another attempt does not help."""
    raise dg.Failure("refused", allow_retries=False) from ConnectionError("no answer")


@dg.asset(retry_policy=StepRetries())
def large(context: dg.AssetExecutionContext) -> None:
    """Memory suffices for batches of a quarter."""
    if batch_count(context) < 4:
        raise MemoryError


@dg.asset(retry_policy=StepRetries())
def killed(context: dg.AssetExecutionContext) -> None:
    """Its process is killed unless it works in two batches."""
    if batch_count(context) < 2:
        os.kill(os.getpid(), signal.SIGKILL)


@dg.asset(retry_policy=StepRetries())
def unwritten() -> int:
    """Its output cannot be written at first."""
    return 1


@dg.asset(retry_policy=StepRetries())
def unread(unwritten: int) -> int:
    """Its input cannot be read at first."""
    return unwritten


ASSETS = [wrong, flaky, unreachable, not_repeatable, refused, large, killed, unwritten, unread]
FORKED = dg.multiprocess_executor.configured(
    {"start_method": {"forkserver": {"preload_modules": [__name__]}}}, "forked"
)
defs = dg.Definitions(
    ASSETS,
    jobs=[dg.define_asset_job("all_of_them", "*", executor_def=FORKED)],
    resources={"io_manager": dg.IOManagerDefinition.hardcoded_io_manager(Sieve())},
    executor=dg.in_process_executor,
)


def isolated_job() -> dg.JobDefinition:
    """All assets, each in a process of its own."""
    return defs.resolve_job_def("all_of_them")


def left_alone(folder: Path) -> dg.DagsterInstance:
    """An instance in `folder`, to be used by several processes."""
    return dg.DagsterInstance.local_temp(str(folder))
