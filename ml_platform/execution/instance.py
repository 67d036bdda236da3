"""The Dagster instance of this platform: everything it keeps is below `Settings().home`, whoever starts it.

Belongs here: where the instance's files are and how events are batched. Does not: its settings, which are in
dagster.yaml.
"""

from collections.abc import Mapping
from pathlib import Path

import yaml
from dagster import DagsterInstance, Field
from dagster._core.instance.ref import InstanceRef
from dagster._daemon.types import DaemonHeartbeat
from dagster._serdes import ConfigurableClassData

from ml_platform.execution.launcher import WarmRunLauncher
from ml_platform.settings import PROJECT_ROOT, Settings

EVENT_BATCH_SIZE = 500


class PlatformInstance(DagsterInstance):
    """Keeps its history between starts of plain `dagster dev`; writes events of many partitions in one transaction.

    Dagster hands a temporary folder to an instance when DAGSTER_HOME is not set, and the configuration's folder when it
    is. Neither is used: both ways lead to the same history. A storage that dagster.yaml names (Postgres, say) wins.
    """

    @classmethod
    def config_schema(cls) -> Mapping[str, Field]:
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """Dagster's defaults for the platform's folder instead of `base_dir`, with the tuned storage."""
        home = str(instance_folder(Settings()))
        storage = _configured("ml_platform.execution.local_storage", "LocalStorage", home)
        return {**InstanceRef.config_defaults(home), "storage": storage}

    def add_daemon_heartbeat(self, daemon_heartbeat: DaemonHeartbeat) -> None:
        """Have run workers' parent ready in the daemon, which alone launches runs and alone has a heartbeat."""
        super().add_daemon_heartbeat(daemon_heartbeat)
        if isinstance(self.run_launcher, WarmRunLauncher):
            self.run_launcher.warm_up()

    def _get_event_batch_size(self) -> int:
        return EVENT_BATCH_SIZE


def instance_folder(settings: Settings) -> Path:
    """Folder of runs, events, schedules and compute logs."""
    return settings.home.resolve() / "dagster"


def open_instance() -> DagsterInstance:
    """The persistent instance that the repository's dagster.yaml describes; the same one as `dagster dev` shows."""
    return DagsterInstance.from_config(str(PROJECT_ROOT))


def _configured(module: str, name: str, base_dir: str) -> ConfigurableClassData:
    return ConfigurableClassData(module, name, yaml.dump({"base_dir": base_dir}, default_flow_style=False))
