import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from ml_platform.recovery.room import alone, side_by_side


def times_of(block: AbstractContextManager[None], done: threading.Event) -> tuple[threading.Thread, list[float]]:
    """A thread that is in the block until `done`, and the instants at which it came in and went out."""
    found: list[float] = []

    def stay() -> None:
        with block:
            found.append(time.monotonic())
            done.wait(10)
            found.append(time.monotonic())

    thread = threading.Thread(target=stay)
    thread.start()
    return thread, found


def until(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_so()


def test_several_are_side_by_side(tmp_path: Path) -> None:
    done, room = threading.Event(), tmp_path.name
    stays = [times_of(side_by_side(room), done) for _ in range(2)]
    assert until(lambda: all(found for _, found in stays))
    done.set()
    for thread, _ in stays:
        thread.join()


def test_whoever_has_to_be_alone_waits_for_the_others_and_none_comes_in_before_him(tmp_path: Path) -> None:
    room = f"{tmp_path.parent.name}-{tmp_path.name}"
    events = [threading.Event() for _ in range(3)]
    first, first_times = times_of(side_by_side(room), events[0])
    assert until(lambda: bool(first_times))
    lonely, lonely_times = times_of(alone(room), events[1])
    time.sleep(0.2)
    later, later_times = times_of(side_by_side(room), events[2])
    time.sleep(0.2)
    assert (lonely_times, later_times) == ([], [])
    for event in events:
        event.set()
    for thread in (first, lonely, later):
        thread.join()
    assert first_times[1] <= lonely_times[0] <= lonely_times[1] <= later_times[0]
