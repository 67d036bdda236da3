"""The process that serves: a web server in front, and threads that follow, compare, and keep what was served.

Belongs here: what runs beside what, from start to drain. Does not: any of its parts.
"""

import gc
import ipaddress
import json
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI

from ml_platform.errors import PlatformError, SettingsError
from ml_platform.online.app import Parts, build_app
from ml_platform.online.declared import OnlineModel
from ml_platform.online.following import FAILURES, Follower
from ml_platform.online.guard import App, log
from ml_platform.online.local_copy import LocalCopy
from ml_platform.online.metrics import Metrics
from ml_platform.online.served import ServedLog
from ml_platform.online.service import OnlineService
from ml_platform.online.trial import follow
from ml_platform.online.troubles import Troubles
from ml_platform.online.work import Workers, use_one_core
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore

DRAIN_SECONDS = 30
AFTER_SECONDS = 0.1
SWITCH_SECONDS = 0.0005
"""How long a thread that answers may keep the others waiting, the event loop among them; Python's own is 5 ms."""


@dataclass
class Background:
    """What runs beside the requests, until it is told to stop."""

    parts: Parts
    troubles: Troubles
    settings: Settings
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        """Answer from the local copy if there is one, and follow from now on."""
        self._attempt(self.parts.service.follower.start)
        for name, each, seconds in (
            ("follow", self._look, self.settings.serve_follow_seconds),
            ("served", self._publish, self.settings.serve_log_seconds),
            ("after", self._after, AFTER_SECONDS),
        ):
            self.threads.append(threading.Thread(target=self._every, args=(each, seconds), name=name, daemon=True))
            self.threads[-1].start()

    def end(self) -> None:
        """Stop, and put down what was served until now."""
        self.stop.set()
        for thread in self.threads:
            thread.join(timeout=DRAIN_SECONDS)
        self._publish()

    def _every(self, do: Callable[[], None], seconds: float) -> None:
        is_first = do == self._look
        while is_first or not self.stop.wait(seconds):
            is_first = False
            do()

    def _look(self) -> None:
        follower, service = self.parts.service.follower, self.parts.service
        failure = self._attempt(follower.look)
        if failure:
            self.parts.metrics.failed_looks.inc()
        broken = [*follower.unusable(), *service.breakdowns()]
        self.troubles.settle("cannot be followed", failure)
        self.troubles.settle("champion", "; ".join(dict.fromkeys(broken)))
        if trial := follower.now.trial:
            self._attempt(lambda: follow(trial, follower.copy, follower.artifacts))
        self.troubles.settle("challenger", trial.why_refused if trial else "")

    def _after(self) -> None:
        """What follows from answers, and need not be done before them."""
        self._attempt(self.parts.served.gather)
        if trial := self.parts.service.follower.now.trial:
            self._attempt(trial.compare)

    def _publish(self) -> None:
        self._attempt(self.parts.served.publish)

    def _attempt(self, do: Callable[[], None]) -> str:
        """Why it could not be done; empty if it was."""
        try:
            do()
        except FAILURES as error:
            told = error.what if isinstance(error, PlatformError) else type(error).__name__
            log.warning(json.dumps({"failed": told}))
            return told
        return ""


def build(model: OnlineModel, settings: Settings) -> tuple[App, Background]:
    """The application of one model, and what runs beside it once the server starts it."""
    tables = TableStore.from_settings(settings)
    artifacts = ObjectStore(settings.artifact_uri, settings.fsspec_options(settings.artifact_uri))
    copy = LocalCopy.of(settings, model.name, artifacts)
    follower = Follower(model, tables, artifacts, copy, settings.serve_days)
    metrics = Metrics(follower)
    parts = Parts(
        OnlineService(follower, settings.serve_most_rows),
        metrics,
        Workers(metrics, settings.serve_threads, settings.serve_most_waiting, settings.serve_timeout_seconds),
        ServedLog(model, tables, copy.objects, metrics),
    )
    background = Background(parts, Troubles(AlertCenter(settings), model.name, model.use_case), settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        use_one_core()
        background.begin()
        gc.collect()
        gc.freeze()  # what is there now stays: a collector that looks through all of it takes a tenth of a second
        yield
        background.end()

    return build_app(parts, settings, lifespan), background


def serve(model: OnlineModel, settings: Settings, host: str, port: int) -> None:
    """Serve until the process is told to stop; requests that were taken are answered first.

    Raises:
        SettingsError: it would listen beyond this machine without a token.
    """
    import uvicorn

    require_token(settings, host)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    app, _ = build(model, settings)
    sys.setswitchinterval(SWITCH_SECONDS)
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=75,
    )


def require_token(settings: Settings, host: str) -> None:
    """Pass if only this machine reaches `host`, or a token is set.

    Raises:
        SettingsError: neither.
    """
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    if not is_local and settings.serve_token is None:
        raise SettingsError(
            f"The online service would listen on {host} without a token.",
            expected="ML_PLATFORM_SERVE_TOKEN set, or a host of this machine alone",
            kept="Nothing was started.",
            remedy="Set ML_PLATFORM_SERVE_TOKEN to a long random text, and send it as `Authorization: Bearer ...`.",
        )
