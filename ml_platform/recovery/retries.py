"""Whether and when a failed step is tried again: by the class of its failure, and by what repeating the step does.

Belongs here: the one retry policy of all steps, and what the log of a run says of it. Does not: which failure is which
(`error_classes`), and runs that lost their worker (Dagster's run retries).
"""

import random
import sys
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import dagster as dg
from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.events import DagsterEvent, DagsterEventType, EngineEventData

from ml_platform.errors import ErrorClass
from ml_platform.recovery.error_classes import NO_OWN, Classified, classify
from ml_platform.settings import Settings, environment_settings

Idempotency = Literal["idempotent", "guarded", "once"]
"""Repeating the step changes nothing more; or a guard sees to that; or it must never be repeated by itself."""

ERROR_CLASS, ATTEMPT, NEXT_DELAY = "error_class", "attempt", "next_delay_seconds"


class Decision(NamedTuple):
    """What follows from one failed attempt: `attempt` of at most `attempts`, and why, if it was the last."""

    found: Classified
    attempt: int
    attempts: int
    last_because: str = ""

    @property
    def is_retried(self) -> bool:
        """Whether there is a next attempt."""
        return not self.last_because


class StepRetries(dg.RetryPolicy):
    """The retry policy of a step, which looks at the error first.

    Dagster asks a policy for its truth where a step has failed, and only then for numbers: in the step's process after
    an error in its inputs, its body or its outputs, in the executor after the death of that process. A policy that is
    false there is none: the step fails with its own error. Everywhere else it is true.
    """

    own: Mapping[str, ErrorClass]
    idempotency: Idempotency
    guard: str

    def __new__(
        cls, own: Mapping[str, ErrorClass] = NO_OWN, idempotency: Idempotency = "idempotent", guard: str = ""
    ) -> "StepRetries":
        """A policy with the classes that a use case gives to errors of `own`; `guard` says what guards the step."""
        policy: StepRetries = super().__new__(cls)
        policy.own, policy.idempotency, policy.guard = own, idempotency, guard
        return policy

    def __bool__(self) -> bool:
        """Whether what is being handled, if anything, leads to another attempt; the last one is told in the log."""
        error = sys.exception()
        if error is None:
            return True
        context = _context()
        decision = self._decision(error, context)
        if context and not decision.is_retried:
            _tell(context, decision, f"not tried again, {decision.last_because}", {})
        return decision.is_retried

    @property
    def max_retries(self) -> int:
        """Retries of a step that failed as it just did; none where the error is not at hand."""
        error = sys.exception()
        return _most_retries(classify(error, self.own).error_class, environment_settings()) if error else 0

    def calculate_delay(self, attempt_num: int) -> float:
        """Seconds until the next attempt, `attempt_num` having failed; told in the log with all that led to it."""
        error, settings = sys.exception(), environment_settings()
        if error is None:
            return 0.0
        context = _context()
        decision = self._decision(error, context)
        delay = delay_seconds(decision.found, attempt_num, settings)
        if context:
            _tell(
                context, decision, f"tried again in {delay:.1f} s{_differently(decision)}", self._told(delay, context)
            )
        return delay

    def _decision(self, error: BaseException, context: dg.OpExecutionContext | None) -> Decision:
        settings, found = environment_settings(), classify(error, self.own)
        attempt = context.retry_number + 1 if context else 1
        spent = _spent(context, settings) if context else False
        refused = isinstance(error, dg.Failure) and not error.allow_retries
        return decide(found, attempt, settings, self.idempotency, is_budget_spent=spent, is_refused=refused)

    def _told(self, delay: float, context: dg.OpExecutionContext) -> dict[str, Any]:
        return {
            NEXT_DELAY: round(delay, 3),
            "retries_of_run": _retries_of_run(context) + 1,
            **({"guard": self.guard} if self.guard else {}),
        }


def decide(
    found: Classified,
    attempt: int,
    settings: Settings,
    idempotency: Idempotency = "idempotent",
    *,
    is_budget_spent: bool = False,
    is_refused: bool = False,
) -> Decision:
    """What follows from the failure of an attempt, the first being 1."""
    retries = _most_retries(found.error_class, settings)
    asked = found.retry_after_seconds or 0.0
    reasons = {
        "the step says so": is_refused,
        _why_never(found.error_class): retries == 0,
        "repeating the step is not safe": idempotency == "once",
        f"all {retries} retries are spent": 0 < retries < attempt,
        f"the {settings.retries_per_run} retries of this run are spent (ML_PLATFORM_RETRIES_PER_RUN)": is_budget_spent,
        f"the server asks to wait {asked:.0f} s (ML_PLATFORM_RETRY_AFTER_LONGEST_SECONDS)": asked
        > settings.retry_after_longest_seconds,
    }
    because = next((reason for reason, applies in reasons.items() if applies), "")
    return Decision(found, attempt, attempt if because else retries + 1, because)


def delay_seconds(found: Classified, retry: int, settings: Settings) -> float:
    """Anything up to the capped exponential of the `retry`, the first being 1; after what the server asks for, if so.

    Source: "full jitter" of Exponential Backoff and Jitter, AWS Architecture Blog, 2015.
    """
    longest = min(settings.retry_longest_seconds, settings.retry_first_seconds * 2.0 ** min(retry - 1, 60))
    return (found.retry_after_seconds or 0.0) + random.uniform(0.0, longest)  # noqa: S311 - jitter


def _most_retries(error_class: ErrorClass, settings: Settings) -> int:
    match error_class:
        case "transient" | "throttled":
            return settings.step_retries
        case "resource":
            return settings.resource_retries
        case "data" | "code" | "cancelled":
            return 0


def _why_never(error_class: ErrorClass) -> str:
    match error_class:
        case "data":
            return "other data have to come first"
        case "code":
            return "a person has to change something first"
        case "cancelled":
            return "somebody ended it"
        case _:
            return "retries are switched off"


def _differently(decision: Decision) -> str:
    return ", in smaller batches" if decision.found.error_class == "resource" else ""


def _context() -> dg.OpExecutionContext | None:
    """The step of this process, from its first input to its last output; none in an executor."""
    try:
        return dg.OpExecutionContext.get()
    except DagsterInvariantViolationError:
        return None


def _tell(context: dg.OpExecutionContext, decision: Decision, then: str, told: Mapping[str, Any]) -> None:
    found = decision.found
    DagsterEvent.engine_event(
        context.get_step_execution_context(),
        f"Attempt {decision.attempt} of {decision.attempts} failed: {found.error} ({found.error_class}); {then}.",
        EngineEventData(
            metadata={
                ERROR_CLASS: dg.MetadataValue.text(found.error_class),
                "error": dg.MetadataValue.text(found.error),
                ATTEMPT: dg.MetadataValue.int(decision.attempt),
                "attempts": dg.MetadataValue.int(decision.attempts),
                "then": dg.MetadataValue.text(then),
                **{name: dg.MetadataValue.text(str(value)) for name, value in told.items()},
            }
        ),
    )


def _spent(context: dg.OpExecutionContext, settings: Settings) -> bool:
    return _retries_of_run(context) >= settings.retries_per_run


def _retries_of_run(context: dg.OpExecutionContext) -> int:
    return len(context.instance.all_logs(context.run.run_id, of_type=DagsterEventType.STEP_UP_FOR_RETRY))
