"""Who answers of each registered model, by the log of what was decided, and whether it still does as it was evaluated.

Belongs here: reading logs, training records and alarms. Does not: deciding (`tracking.registry`).
"""

import datetime as dt
from collections.abc import Iterator

from ml_platform.components.drift_alarms import StandingAlarm, standing_alarm
from ml_platform.errors import RegistryLogTamperedError, StorageError, TableNotFoundError
from ml_platform.operations.health import Finding, ModelHealth
from ml_platform.provenance.catalog import Catalog
from ml_platform.storage.location import StorageLocation
from ml_platform.tracking.registry_log import RegistryEvent, RegistryLog
from ml_platform.tracking.standing import CHAMPION, LAST_KNOWN_GOOD, Standing, obstacle_to_promotion
from ml_platform.training.config import ModelConfig
from ml_platform.training.records import TableRead, TrainedModel


def model_health(location: StorageLocation, catalog: Catalog, config: ModelConfig) -> ModelHealth:
    """Where the versions of one model stand."""
    try:
        events = RegistryLog(location.artifacts().below("registry"), config.registered_as).events()
    except RegistryLogTamperedError as error:
        return _untold(config.registered_as, error.what)
    if not events:
        return _untold(config.registered_as, "")
    standing = Standing(events)
    champion = standing.champion()
    deployed = catalog.deployment
    needs_approval = deployed is not None and (
        deployed.champion.registered_model == config.registered_as and deployed.champion.requires_approval
    )
    waiting = (
        each.version
        for each in standing.models
        if needs_approval
        and not (each.is_promoted or each.rolled_back or each.approval != "none" or obstacle_to_promotion(each))
    )
    return ModelHealth(
        name=config.registered_as,
        versions=len(standing.models),
        champion=standing.aliases.get(CHAMPION),
        as_of=champion.as_of if champion else None,
        promoted_at=_champion_since(events),
        last_known_good=standing.aliases.get(LAST_KNOWN_GOOD),
        waiting=tuple(waiting),
        alarm=str(alarm) if (alarm := alarm_of(location, catalog, config.registered_as)) else "",
    )


def alarm_of(location: StorageLocation, catalog: Catalog, registered_as: str) -> StandingAlarm | None:
    """The alarm that stands of the model; None also where nothing is watched, or was judged yet."""
    deployed = catalog.deployment
    if deployed is None or deployed.drift is None or deployed.champion.registered_model != registered_as:
        return None
    try:
        return standing_alarm(location.tables(), catalog.name(deployed.drift.alarms))
    except TableNotFoundError:
        return None


def stale_models(location: StorageLocation, catalog: Catalog, config: ModelConfig) -> Iterator[Finding]:
    """The as-of months whose training read days of its tables that have other content now."""
    asset, artifacts = catalog.name(f"{config.name}_model"), location.artifacts()
    for info in artifacts.list(f"records/{asset}"):
        model = TrainedModel.model_validate_json(artifacts.read(info.path))
        read = (model.inputs.features, model.inputs.labels)
        if changed := [each.table for each in read if has_changed(location, each, model.as_of)]:
            what = f"{', '.join(changed)} changed since it was trained"
            yield Finding(state="stale", asset=asset, partitions=(model.as_of.isoformat(),), what=what)


def has_changed(location: StorageLocation, read: TableRead, as_of: dt.date) -> bool:
    """Whether the days before the month have other content than in the version that was read."""
    tables = location.tables()
    try:
        if read.version == tables.version(read.table):
            return False
        then, now = tables.partitions(read.table, read.version), tables.partitions(read.table)
    except (StorageError, FileNotFoundError):
        return False
    days = [day for day in {*then, *now} if day < as_of.isoformat()]
    return any(then.get(day) != now.get(day) for day in days)


def _champion_since(events: list[RegistryEvent]) -> dt.datetime | None:
    """When the version that is champion now became it, the last time."""
    since, before = None, None
    for number, event in enumerate(events, start=1):
        if event.action in ("promoted", "rolled_back"):
            champion = Standing(events[:number]).aliases.get(CHAMPION)
            since = event.at if champion != before else since
            before = champion
    return since


def _untold(name: str, problem: str) -> ModelHealth:
    return ModelHealth(
        name=name, versions=0, champion=None, as_of=None, promoted_at=None, last_known_good=None, problem=problem
    )
