"""Steps that fail, in runs of Dagster's own executors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.errors import ErrorClass, RunFailedError
from ml_platform.execution.launch import RunRequest, run_job
from ml_platform.recovery.attempts import FailedStep, failed_steps, split
from ml_platform.recovery.error_classes import WORST_FIRST, Classified
from ml_platform.recovery.retries import StepRetries, decide, delay_seconds
from ml_platform.settings import Settings
from ml_platform_tests.execution.instances import platform_instance
from ml_platform_tests.recovery import failing_location as failing
from ml_platform_tests.recovery.answering import answering

RETRIED = dg.DagsterEventType.STEP_UP_FOR_RETRY


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_RETRY_FIRST_SECONDS", "0.01")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A history of its own for each test."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run(instance: dg.DagsterInstance, *assets: dg.AssetsDefinition, **tags: str) -> dg.ExecuteInProcessResult:
    """The run of these assets in one process."""
    store = dg.IOManagerDefinition.hardcoded_io_manager(failing.Sieve())
    return dg.materialize(
        assets, instance=instance, resources={"io_manager": store}, raise_on_error=False, tags=dict(tags)
    )


def attempts(result: dg.ExecuteInProcessResult | dg.JobExecutionResult, step: str) -> int:
    """How often the step was begun."""
    return 1 + len([event for event in result.all_events if event.step_key == step and event.event_type == RETRIED])


def told(instance: dg.DagsterInstance, run_id: str) -> list[dict[str, Any]]:
    """The metadata of each failed attempt, as the log of the run has it."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    found = [entry.get_dagster_event().engine_event_data.metadata for entry in entries]
    return [{name: value.value for name, value in each.items()} for each in found if "error_class" in each]


def test_a_mistake_in_the_code_fails_at_once_with_its_own_error(instance: dg.DagsterInstance) -> None:
    result = run(instance, failing.wrong)
    (failure,) = result.get_step_failure_events()
    assert attempts(result, "wrong") == 1
    error = failure.step_failure_data.error
    assert error is not None
    assert error.cause is not None
    assert (error.cls_name, error.cause.message) == ("DagsterExecutionStepExecutionError", "ValueError: a mistake\n")
    assert told(instance, result.run_id)[0]["then"] == "not tried again, a person has to change something first"


def test_what_may_pass_is_tried_until_it_has_passed(instance: dg.DagsterInstance) -> None:
    result = run(instance, failing.flaky)
    assert result.success
    assert [(each["error_class"], each["attempt"], each["attempts"]) for each in told(instance, result.run_id)] == [
        ("transient", 1, 6),
        ("transient", 2, 6),
    ]


def test_when_the_retries_are_spent_the_error_is_as_it_was_and_the_log_says_how_often(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_STEP_RETRIES", "2")
    result = run(instance, failing.unreachable)
    (failure,) = result.get_step_failure_events()
    assert failure.step_failure_data.error is not None
    assert failure.step_failure_data.error.cls_name == "DagsterExecutionStepExecutionError"
    assert failed_steps(instance, result.run_id) == [
        FailedStep("unreachable", "transient", "ConnectionError", 3, "ConnectionError: no answer")
    ]


@pytest.mark.parametrize("asset", [failing.not_repeatable, failing.refused])
def test_what_must_not_be_repeated_is_not(instance: dg.DagsterInstance, asset: dg.AssetsDefinition) -> None:
    result = run(instance, asset)
    assert attempts(result, asset.key.to_user_string()) == 1


def test_a_store_that_fails_while_an_input_is_read_or_an_output_written_is_tried_again(
    instance: dg.DagsterInstance,
) -> None:
    result = run(instance, failing.unwritten, failing.unread)
    assert result.success
    assert [attempts(result, step) for step in ("unwritten", "unread")] == [2, 2]


def test_memory_that_ran_out_is_answered_with_twice_as_many_batches_each_time(instance: dg.DagsterInstance) -> None:
    result = run(instance, failing.large)
    assert result.success
    assert [each["error_class"] for each in told(instance, result.run_id)] == ["resource", "resource"]


def test_a_run_that_follows_a_lost_process_begins_with_smaller_batches(instance: dg.DagsterInstance) -> None:
    result = run(instance, failing.large, **{"ml_platform/lost_processes": "2"})
    assert attempts(result, "large") == 1


def test_the_retries_of_all_steps_of_a_run_have_one_budget(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_RETRIES_PER_RUN", "3")
    result = run(instance, failing.flaky, failing.unreachable)
    assert attempts(result, "flaky") + attempts(result, "unreachable") == 2 + 3
    assert "the 3 retries of this run are spent" in told(instance, result.run_id)[-1]["then"]


def test_a_server_that_asks_to_wait_is_waited_for(instance: dg.DagsterInstance) -> None:
    import requests

    @dg.asset(retry_policy=StepRetries())
    def throttled(context: dg.AssetExecutionContext) -> None:
        if not context.retry_number:
            requests.get(url, timeout=5).raise_for_status()

    with answering(429, {"Retry-After": "1"}) as url:
        result = run(instance, throttled)
    (before,) = told(instance, result.run_id)
    assert result.success
    assert (before["error_class"], float(before["next_delay_seconds"]) >= 1) == ("throttled", True)


def test_isolated_steps_are_retried_alike_and_so_is_one_whose_process_is_killed(tmp_path: Path) -> None:
    steps = ("wrong", "flaky", "killed")
    with failing.left_alone(tmp_path) as instance:
        job, selection = dg.reconstructable(failing.isolated_job), [dg.AssetKey(step) for step in steps]
        with dg.execute_job(job, instance, asset_selection=selection) as result:
            assert [attempts(result, step) for step in steps] == [1, 3, 2]
            assert [each[:4] for each in failed_steps(instance, result.run_id)] == [("wrong", "code", "ValueError", 1)]


def test_on_the_command_line_a_failure_says_how_often_the_step_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_STEP_RETRIES", "2")
    with platform_instance(tmp_path) as instance, pytest.raises(RunFailedError) as told:
        run_job(instance, RunRequest(failing.LOCATION, assets=[failing.unreachable.key]))
    assert "failed: unreachable: ConnectionError: no answer. Tried 3 times. " in str(told.value)


def test_a_run_without_failures_is_told_nothing_of_retries(instance: dg.DagsterInstance) -> None:
    @dg.asset(retry_policy=StepRetries())
    def whole() -> None:
        """Nothing goes wrong."""

    result = run(instance, whole)
    assert result.success
    assert told(instance, result.run_id) == []


RETRIES = st.integers(1, 200)
CLASSES = st.sampled_from(WORST_FIRST)


@given(RETRIES, st.floats(0, 100), st.floats(0, 100), st.none() | st.floats(0, 100))
def test_a_wait_is_at_least_what_was_asked_and_within_its_bounds(
    retry: int, first: float, longest: float, asked: float | None
) -> None:
    settings = Settings(retry_first_seconds=first, retry_longest_seconds=longest)
    delay = delay_seconds(Classified("throttled", "Busy", asked), retry, settings)
    assert (asked or 0) <= delay <= (asked or 0) + min(longest, first * 2.0 ** (retry - 1)) + 1e-9


@given(CLASSES, RETRIES)
def test_only_what_another_attempt_can_help_is_retried_and_not_for_ever(found: ErrorClass, attempt: int) -> None:
    settings = Settings()
    most = {"transient": settings.step_retries, "throttled": settings.step_retries, "resource": 2}.get(found, 0)
    decision = decide(Classified(found, "SomeError"), attempt, settings)
    assert decision.is_retried == (attempt <= most)


@given(CLASSES, RETRIES)
def test_a_step_that_is_not_repeatable_is_never_retried(found: ErrorClass, attempt: int) -> None:
    assert not decide(Classified(found, "SomeError"), attempt, Settings(), "once").is_retried


def test_a_server_that_asks_to_wait_for_too_long_is_not_waited_for() -> None:
    decision = decide(Classified("throttled", "Busy", 3600.0), 1, Settings())
    assert decision.last_because == "the server asks to wait 3600 s (ML_PLATFORM_RETRY_AFTER_LONGEST_SECONDS)"


@given(st.lists(st.text(), max_size=40), st.integers(1, 64))
def test_batches_are_the_keys_in_their_order(keys: list[str], parts: int) -> None:
    found = split(keys, parts)
    assert [key for part in found for key in part] == keys
    assert len(found) == min(parts, len(keys))
    assert all(found)
