"""What the service counts, for Prometheus.

Belongs here: the metrics and their names. Does not: when they are counted (`guard`, `app`), or anything of one request
that leads to a person.
"""

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ml_platform.online.following import Answering, Follower

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one service; safe for any number of threads."""

    def __init__(self, follower: Follower) -> None:
        """Count from zero; what answers is read when somebody asks."""
        self._follower, self.registry = follower, CollectorRegistry()
        make: dict[str, Any] = {"namespace": "ml_platform", "subsystem": "online", "registry": self.registry}
        self.requests = Counter("requests", "Requests by path and status.", ["path", "status"], **make)
        self.seconds = Histogram(
            "request_seconds", "From a request's first byte to its answer.", ["path"], buckets=_SECONDS, **make
        )
        self.rows = Counter("rows", "Rows answered, by who answered.", ["rung"], **make)
        self.degraded_rows = Counter("degraded_rows", "Rows answered that were flagged as degraded.", **make)
        self.in_flight = Gauge("requests_in_flight", "Requests being worked on or waiting.", **make)
        self.failed_looks = Counter("failed_looks", "Looks at the store or the registry that failed.", **make)
        self.unlogged_rows = Counter("unlogged_rows", "Rows answered that could not be kept for the log.", **make)
        self._of_state(make)

    def page(self) -> bytes:
        """All metrics in the format of Prometheus."""
        return generate_latest(self.registry)

    def _now(self, value: Callable[[Answering], float]) -> float:
        return value(self._follower.now)

    def _of_state(self, make: dict[str, Any]) -> None:
        gauges = {
            "champion_version": ("Version that answers for rows of today; 0 without one.", _version),
            "champion_is_degraded": ("1 while another than the champion answers for rows of today.", _is_degraded),
            "challenger_version": (
                "Version that is tried on requests; 0 without one, or when that is over.",
                _tried,
            ),
            "challenger_evidence": ("Evidence against it, 1 refuses it; 0 without one.", _evidence),
            "look_age_seconds": ("Since the last look at the store that succeeded; -1 before the first.", _look_age),
            "history_age_seconds": ("Since the latest instant that the history knows of; -1 without one.", _known_age),
        }
        for name, (told, value) in gauges.items():
            gauge = Gauge(name, told, **make)
            gauge.set_function(partial(self._now, value))
        swaps = Gauge("swaps", "How often something new began to answer.", **make)
        swaps.set_function(lambda: self._follower.swaps)


def _version(now: Answering) -> float:
    return now.champions.newest.champion.version if now.champions.newest else 0


def _is_degraded(now: Answering) -> float:
    return float(now.champions.newest is not None and bool(now.champions.newest.failures))


def _tried(now: Answering) -> float:
    return now.trial.report.version if now.trial and now.trial.is_running else 0


def _evidence(now: Answering) -> float:
    return now.trial.report.evidence / now.trial.report.evidence_needed if now.trial else 0.0


def _look_age(now: Answering) -> float:
    return _age(now.looked_at)


def _known_age(now: Answering) -> float:
    known = [each.known_until for each in now.history.published.values() if each.known_until] if now.history else []
    return _age(min(known, default=None))


def _age(instant: dt.datetime | None) -> float:
    return (dt.datetime.now(dt.UTC) - instant).total_seconds() if instant else -1.0
