import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml_platform.errors import NotEnoughDataError, TrialLostError
from ml_platform.recovery.isolation import run_isolated


class OddError(Exception):
    """Cannot be rebuilt from its message alone, so it does not survive pickling."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def fail(error: Exception) -> None:
    raise error


def killed_by(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_the_result_comes_back_from_another_process() -> None:
    assert run_isolated(os.getpid) != os.getpid()
    assert run_isolated(lambda n, factor: n * factor, 3, factor=2) == 6


def test_a_result_larger_than_a_pipe_comes_back_whole() -> None:
    assert run_isolated(bytes, 5_000_000) == bytes(5_000_000)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_that_is_killed_is_a_lost_trial_that_names_the_signal(number: signal.Signals) -> None:
    with pytest.raises(TrialLostError, match=f"killed_by was killed by {number.name}"):
        run_isolated(killed_by, number)


def test_a_child_that_leaves_without_an_answer_is_a_lost_trial() -> None:
    with pytest.raises(TrialLostError, match="ended with exit code 3"):
        run_isolated(os._exit, 3)


def test_an_error_of_the_platform_arrives_with_every_field() -> None:
    error = NotEnoughDataError("no rows", expected="some", got="none", remedy="wait")
    with pytest.raises(NotEnoughDataError, match="no rows") as caught:
        run_isolated(fail, error)
    assert caught.value.remedy == "wait"


def test_an_error_that_cannot_travel_arrives_by_class_and_message() -> None:
    with pytest.raises(RuntimeError, match="OddError: one and two"):
        run_isolated(fail, OddError("one", "two"))


def test_one_killed_child_does_not_disturb_the_others() -> None:
    with ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(run_isolated, time.sleep, 0.3) for _ in range(2)]
        lost = pool.submit(run_isolated, killed_by, signal.SIGKILL)
        assert isinstance(lost.exception(timeout=10), TrialLostError)
        assert [future.result(timeout=10) for future in slow] == [None, None]
