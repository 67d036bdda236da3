"""Online services as processes of this machine, one for each model, each kept for itself.

Belongs here: their processes. Does not: what they answer (`ml_platform.online`).
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from ml_platform.local_servers.kept import Running, kept
from ml_platform.local_servers.ports import LOOPBACK
from ml_platform.local_servers.program import program


@contextmanager
def online_services(folder: Path, environment: Mapping[str, str], models: Sequence[str]) -> Iterator[dict[str, str]]:
    """Where the service of each model answers, once it has imported what it needs; they end with the block.

    One without a champion yet says so, and takes up the first that is promoted.
    """
    with ExitStack() as stack:
        starts = {model: partial(_service, folder / model, environment, model) for model in models}
        yield {model: stack.enter_context(kept(start, lambda _: None)).address for model, start in starts.items()}


def _service(folder: Path, environment: Mapping[str, str], model: str, port: int) -> AbstractContextManager[Running]:
    command = [str(Path(sys.executable).parent / "ml-platform"), "serve", model, "--port", str(port)]
    return program(folder, command, environment, f"http://{LOOPBACK}:{port}")
