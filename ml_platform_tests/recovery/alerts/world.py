"""A few alerts that tests raise."""

from typing import Any

from ml_platform.recovery.alerts.alert import Alert


def failed(subject: str = "toy/clean", **changes: Any) -> Alert:
    """A run that failed with an error in its code."""
    told: dict[str, Any] = {
        "kind": "run_failed",
        "severity": "error",
        "use_case": "toy",
        "pipeline": "data",
        "subject": subject,
        "what": f"build_toy_days for 2013-07-04: ValueError in step {subject.replace('/', '__')}.",
        "served_meanwhile": f"{subject} as it was published at 2013-07-03 06:00 UTC, version 41.",
        "owners": ("team:toys",),
        "error_class": "code",
        "error": "ValueError",
        "run_id": "0af1",
        "run_url": "http://localhost:3000/runs/0af1",
        "remedy": "Correct the code, and re-execute it from the failure.",
    }
    return Alert.model_validate({**told, **changes})
