"""One server process of this machine: waited for until it answers, ended when nobody needs it.

Belongs here: what is alike for every server. Does not: how one is started or asked (`object_server`, `postgres`,
`mlflow_server`).
"""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ml_platform.errors import LocalServerError

_LOOK_EVERY_SECONDS = 0.05


def wait_until_ready(
    process: "subprocess.Popen[bytes]", server: str, within_seconds: float, why_not: Callable[[], str | None], log: Path
) -> None:
    """Return once `why_not` has nothing to say; `server` is its name and address.

    Raises:
        LocalServerError: the process ended, or went on having something to say.
    """
    waited_until, last = time.monotonic() + within_seconds, "it does not answer"
    while process.poll() is None and time.monotonic() < waited_until:
        told = why_not()
        if told is None:
            return
        last = told
        time.sleep(_LOOK_EVERY_SECONDS)
    ended = process.poll()
    raise LocalServerError(
        f"{server} did not come up within {within_seconds:.0f} seconds",
        got=last if ended is None else f"exit code {ended}",
        remedy=f"Look into {log}.",
    )


def stop(process: "subprocess.Popen[bytes]", number: signal.Signals, within_seconds: float) -> None:
    """Ask it to end by the signal, and kill it after so long."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def log_of(folder: Path) -> Path:
    """Where the server whose data is below `folder` writes what it has to say."""
    return folder / "server.log"
