"""Requests that wait are answered in one go, each with its own answer."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ml_platform.errors import RequestRefusedError, ServingError
from ml_platform.online.metrics import Metrics
from ml_platform.online.service import OnlineService, Predicted
from ml_platform.online.together import Asked, Together
from ml_platform.online.work import Workers
from ml_platform_tests.online.scenario import OnlineWorld, batch, flights, request


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """One thread, and room for twenty."""
    made = Workers(Metrics(OnlineWorld(tmp_path).follower()), threads=1, most_waiting=20, timeout_seconds=60)
    yield made
    made.pool.shutdown()


class Counting:
    """Gives back what is asked, and remembers what was asked together; the first waits until others are there."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.taken: list[list[bytes]] = []
        self.go = threading.Event()

    def __call__(self, asked: Sequence[Asked]) -> list[bytes | ServingError]:
        """The bodies; `bad` is refused, and nobody foresaw `worse`."""
        self.taken.append([each.body for each in asked])
        self.go.wait(60)
        if b"worse" in self.taken[-1]:
            raise ZeroDivisionError
        return [RequestRefusedError("bad") if each.body == b"bad" else each.body for each in asked]


def ask(workers: Workers, *bodies: bytes) -> tuple[Counting, list[bytes | BaseException]]:
    """The answers to requests of which all but the first come while the thread is busy."""
    counting = Counting()
    together = Together(workers, counting)

    async def run() -> list[bytes | BaseException]:
        asked = [asyncio.ensure_future(together.answer(Asked(body, "id"))) for body in bodies]
        await asyncio.sleep(0)
        counting.go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    return counting, asyncio.run(run())


def test_what_waits_goes_together_and_each_has_its_own_answer(workers: Workers) -> None:
    counting, answers = ask(workers, b"1", b"2", b"3", b"4")
    assert answers == [b"1", b"2", b"3", b"4"]
    assert len(counting.taken) <= 2


def test_a_refused_request_does_not_touch_those_beside_it(workers: Workers) -> None:
    _, answers = ask(workers, b"1", b"2", b"bad", b"4")
    assert [each for each in answers if isinstance(each, bytes)] == [b"1", b"2", b"4"]
    assert isinstance(answers[2], RequestRefusedError)


def test_what_nobody_foresaw_ends_one_request_alone(workers: Workers) -> None:
    _, answers = ask(workers, b"1", b"2", b"worse", b"4")
    assert [each for each in answers if isinstance(each, bytes)] == [b"1", b"2", b"4"]
    assert isinstance(answers[2], ZeroDivisionError)


def test_requests_together_are_answered_as_each_alone(tmp_path: Path) -> None:
    world = OnlineWorld(tmp_path)
    world.promote(1)
    follower = world.follower()
    follower.look()
    service, parts = OnlineService(follower, most_rows=1000), [flights()[:3], flights()[3:4], flights()[4:]]
    bodies = [request(parts[0]), b"{}", *map(request, parts[1:])]
    told = service.predict_all(bodies)
    answered = [each for each in told if isinstance(each, Predicted)]
    assert isinstance(told[1], RequestRefusedError)
    assert [p for each in answered for p in each.columns["probability"]] == batch(1)
    assert [each.features.height for each in answered] == [part.height for part in parts]
