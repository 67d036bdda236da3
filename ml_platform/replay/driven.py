"""Whether anything would be made of what lands: a daemon on this home, and the sensors that join the pipelines.

Belongs here: what a replay needs to run beside it. Does not: starting it (`local_servers.dagster_dev`).
"""

import time

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType

from ml_platform.demo.upstream import USE_CASE
from ml_platform.errors import ReplayError
from ml_platform.operations.health import DAEMON_SILENCE
from ml_platform.settings import Settings

MODEL = f"{USE_CASE}_delay"
SENSORS = (
    f"refresh_{USE_CASE}_references_on_landing",
    f"build_{USE_CASE}_days_on_landing",
    f"train_{MODEL}_on_new_content",
    f"promote_{MODEL}_champion_on_new_version",
    f"predict_{MODEL}_predictions_on_new_features",
    f"measure_{MODEL}_quality_on_new_labels",
)
"""What has to run for a day to become a measured prediction by itself."""

UP_WITHIN_SECONDS = 300.0
_POLL_SECONDS = 1.0


def require_driven(settings: Settings, instance: dg.DagsterInstance, within_seconds: float = UP_WITHIN_SECONDS) -> None:
    """Return once a daemon runs on this home with the sensors; a busy machine takes minutes to load all locations.

    Raises:
        ReplayError: it does not in time.
    """
    deadline = time.monotonic() + within_seconds
    while why := _not_driven(instance):
        if time.monotonic() > deadline:
            raise ReplayError(
                f"Nothing would be made of what lands in {settings.home}: {why}",
                kept="Nothing was landed",
                remedy=f"Start `ML_PLATFORM_HOME={settings.home} ML_PLATFORM_SENSORS=all make dev` elsewhere, "
                "or use `make replay`, which starts it itself",
            )
        time.sleep(_POLL_SECONDS)


def _not_driven(instance: dg.DagsterInstance) -> str:
    beats = [each.timestamp for each in instance.get_daemon_heartbeats().values()]
    if not beats or time.time() - max(beats) > DAEMON_SILENCE.total_seconds():
        return "no daemon runs."
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    running = {state.instigator_name for state in states if state.is_running}
    off = [name for name in SENSORS if name not in running]
    return f"{len(off)} sensors are off: {', '.join(off)}." if off else ""
