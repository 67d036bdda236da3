"""A look at the whole platform: declarations, logs of tables, the ledger, Dagster's history, alerts and the journal.

Belongs here: what is looked at, once each. Does not: what any of it means (its neighbours), or a definition of Dagster:
no location is loaded.
"""

import datetime as dt
from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.storage.dagster_run import DagsterRunStatus

from ml_platform.components.sound import Broken, UseCases
from ml_platform.errors import UnknownAssetError
from ml_platform.operations.health import (
    DAEMON_SILENCE,
    AlertShown,
    BrokenUseCase,
    Finding,
    Health,
    State,
    UseCaseHealth,
)
from ml_platform.operations.model_health import model_health, stale_models
from ml_platform.operations.staleness import Staleness
from ml_platform.operations.table_health import degraded, late, missing, published, table_health
from ml_platform.operations.unfinished import unfinished
from ml_platform.provenance.catalog import SERVED, Catalog, each_catalog
from ml_platform.provenance.trace_history import RunHistory
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.recovery.degradation import Degradation, Degradations
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.tracking.journal import Journal

WORST_FIRST: tuple[State, ...] = ("failed", "late", "degraded", "running", "queued", "stale", "missing")
_AT_WORK = [DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.CANCELING]


def look(
    settings: Settings,
    instance: dg.DagsterInstance,
    names: Sequence[str] = (),
    *,
    catalogs: Sequence[Catalog] | None = None,
    now: dt.datetime | None = None,
) -> Health:
    """How the use cases `names` are, all of them by default.

    Raises:
        UnknownAssetError: there is no such use case.
    """
    at, location = now or dt.datetime.now(dt.UTC), StorageLocation.of(settings)
    found = each_catalog() if catalogs is None else UseCases(tuple(catalogs))
    chosen, broken = _chosen(found, names)
    marks, history = Degradations(location.artifacts()).all(), RunHistory(instance)
    heartbeats = [each.timestamp for each in instance.get_daemon_heartbeats().values()]
    seen_at = dt.datetime.fromtimestamp(max(heartbeats), dt.UTC) if heartbeats else None
    is_retried = seen_at is not None and at - seen_at < DAEMON_SILENCE
    cases = tuple(_use_case(location, instance, history, catalog, marks, at, is_retried) for catalog in chosen)
    return Health(
        at=at,
        use_cases=cases,
        broken=tuple(BrokenUseCase(name=each.use_case, error=each.error) for each in broken),
        alerts=tuple(_alerts(settings, [] if not names else [case.name for case in cases])),
        daemon_seen_at=seen_at,
        runs_at_work=instance.get_runs_count(dg.RunsFilter(statuses=_AT_WORK)),
        runs_queued=instance.get_runs_count(dg.RunsFilter(statuses=[DagsterRunStatus.QUEUED])),
        mlflow_waiting=len(Journal.below(location.artifacts()).pending()),
    )


def _use_case(
    location: StorageLocation,
    instance: dg.DagsterInstance,
    history: RunHistory,
    catalog: Catalog,
    marks: Sequence[Degradation],
    now: dt.datetime,
    is_retried: bool,
) -> UseCaseHealth:
    use_case, found = catalog.use_case, published(location.tables(), catalog)
    findings = [*unfinished(instance, _assets(catalog), is_retried=is_retried), *degraded(marks, use_case.name)]
    for each in found:
        findings += late(use_case, each, instance, now)
        findings += missing(use_case, each, instance, now)
    findings += Staleness(location, history, catalog).findings()
    findings += [each for config in catalog.models for each in stale_models(location, catalog, config)]
    return UseCaseHealth(
        name=use_case.name,
        owners=tuple(use_case.owners),
        tables=tuple(table_health(use_case, each, instance, now) for each in found),
        models=tuple(model_health(location, catalog, config) for config in catalog.models),
        findings=tuple(sorted(_once(findings), key=lambda each: WORST_FIRST.index(each.state))),
    )


def _once(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Without the missing partitions that another finding already tells why of."""
    told = {(each.asset, key) for each in findings if each.state != "missing" for key in each.partitions}
    told |= {(also, key) for each in findings for also in each.also for key in each.partitions}
    for each in findings:
        left = tuple(key for key in each.partitions if each.state != "missing" or (each.asset, key) not in told)
        if left:
            yield each.model_copy(update={"partitions": left})


def _assets(catalog: Catalog) -> list[str]:
    """Every asset of the use case that runs make, sources first."""
    models = [
        catalog.name(f"{config.name}_{part}")
        for config in catalog.models
        for part in ("model", "evaluation", "model_version")
    ]
    champion = [catalog.name(catalog.deployment.champion.name)] if catalog.deployment else []
    served = [table.name for table in catalog.tables.values() if table.kind in SERVED]
    return [*(name for name in catalog.tables if name not in served), *models, *champion, *served]


def _alerts(settings: Settings, use_cases: Sequence[str]) -> Iterator[AlertShown]:
    for each in AlertCenter(settings).open():
        if not use_cases or each.alert.use_case in use_cases:
            yield AlertShown(
                severity=each.alert.severity,
                subject=each.alert.subject,
                what=each.alert.what,
                since=each.opened_at,
                times=each.times,
            )


def _chosen(found: UseCases[Catalog], names: Sequence[str]) -> tuple[list[Catalog], list[Broken]]:
    known: dict[str, Catalog | Broken] = {catalog.use_case.name: catalog for catalog in found.sound}
    known |= {broken.use_case: broken for broken in found.broken}
    if unknown := [name for name in names if name not in known]:
        raise UnknownAssetError(
            f"There is no use case '{unknown[0]}'", expected=f"one of {', '.join(known)}", got=f"'{unknown[0]}'"
        )
    chosen = [known[name] for name in names or known]
    return [each for each in chosen if isinstance(each, Catalog)], [each for each in chosen if isinstance(each, Broken)]
