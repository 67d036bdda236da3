"""What starts the jobs of a deployment: a version to promote, days to predict, days to measure, and the clock.

Belongs here: what calls for which of the three. Does not: how runs are asked for (`components.automation`).
"""

import datetime as dt
import json
from typing import NamedTuple

import dagster as dg

from ml_platform.components.automation import Wait, Wanted, named, short
from ml_platform.components.automation_sensor import (
    Job,
    Look,
    Requests,
    content_sensor,
    location_of,
    over,
    seen_by,
)
from ml_platform.components.days_at_work import days_at_work
from ml_platform.components.schedules import daily
from ml_platform.components.use_case import UseCase
from ml_platform.errors import TableNotFoundError
from ml_platform.serving.component import Deployment
from ml_platform.serving.promotion import Promotion, champions_by_day, recorded_promotions
from ml_platform.serving.tables import days_with_a_model
from ml_platform.serving.trials import ended_trials
from ml_platform.storage.io_managers import record_path
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.registry import decisions_on


class DeploymentJobs(NamedTuple):
    """The two jobs of a deployment."""

    promote: Job
    predict: Job


def deployment_sensors(deployment: Deployment, use_case: UseCase, jobs: DeploymentJobs) -> list[dg.SensorDefinition]:
    """Promotion on a new version, predictions on new features or another champion, quality on new labels."""
    predictions, quality = deployment.predictions.name, deployment.quality.name
    watched = [deployment.drift.name, deployment.drift.alarms] if deployment.drift else []
    days = over(days_with_a_model(use_case))
    return [
        content_sensor(
            f"{jobs.promote.name}_on_new_version",
            _versions(deployment, use_case),
            jobs.promote,
            "promotion",
            over(use_case.by_as_of_month),
            description="Carries out what the gate, and people where they have to, said of a month's version.",
        ),
        content_sensor(
            f"{jobs.predict.name}_on_new_features",
            _open_days(deployment, use_case),
            jobs.predict,
            "predictions",
            _of(days, *map(use_case.key, (predictions, *watched))),
            description="Predicts each day whose features are new or changed, or whose champion is another one.",
        ),
        content_sensor(
            f"measure_{use_case.name}_{quality}_on_new_labels",
            _labelled_days(deployment, use_case),
            jobs.predict,
            "quality",
            _of(days, *map(use_case.key, (quality, *watched))),
            description="Measures each predicted day whose labels have arrived or changed.",
        ),
    ]


def predictions_schedule(deployment: Deployment, use_case: UseCase, predict: Job) -> dg.ScheduleDefinition:
    """`<job>_daily`: the day before, if its features are published."""
    table = f"{use_case.name}/{deployment.predictions.features}"

    def features_are_there(context: dg.ScheduleEvaluationContext, day: str) -> str:
        if day in location_of(context).tables().published(table):
            return ""
        return f"{table} has no {day} yet. `{predict.name}_on_new_features` predicts it once it has."

    return daily(
        use_case, predict, days_with_a_model(use_case), "Predicts the day before and measures it.", features_are_there
    )


def _of(requests: Requests, *keys: dg.AssetKey) -> Requests:
    return requests._replace(assets=lambda _: keys)


def _versions(deployment: Deployment, use_case: UseCase) -> Look:
    """Each month's version record; where people or trials decide, by how much was decided about the model too."""
    champion = deployment.champion

    def look(context: dg.SensorEvaluationContext) -> Wanted:
        artifacts = location_of(context).artifacts()
        folder = f"records/{use_case.name}/{champion.model_version}"
        decided = decisions_on(artifacts, champion.registered_model) if champion.waits else 0
        tried = f" {ended_trials(artifacts, champion.registered_model)}" if champion.trial else ""
        stamps = {info.path: info.stamp for info in artifacts.list(folder)}
        paths = {month: record_path(f"{use_case.name}/{champion.model_version}", month) for month in _months(use_case)}
        contents = {month: f"{stamps[path]} {decided}{tried}" for month, path in paths.items() if path in stamps}
        seen = seen_by(context)
        unseen = [month for month, content in contents.items() if seen.get(month) != short(content)]
        promotions = {month: _promotion(artifacts, use_case, deployment, month) for month in unseen}
        settled = {
            month
            for month, promotion in promotions.items()
            if promotion
            and promotion.outcome != "waiting"
            and promotion.candidate.version == _version(artifacts, paths[month])
        }
        return Wanted(contents, frozenset(settled))

    return look


def _open_days(deployment: Deployment, use_case: UseCase) -> Look:
    """Each day that has features and a champion, by the content of the one and the bytes of the other."""

    def look(context: dg.SensorEvaluationContext) -> Wanted | Wait:
        location, table = location_of(context), f"{use_case.name}/{deployment.predictions.features}"
        promotions = recorded_promotions(location.artifacts(), f"{use_case.name}/{deployment.champion.name}")
        known = [promotion for promotion in promotions if promotion.champion]
        if not known:
            return Wait(f"{deployment.champion.registered_model} has no champion to predict with.")
        try:
            published = location.tables().partitions(table)
        except TableNotFoundError as error:
            return Wait(f"{error.what} There is nothing to predict for.")
        first = str(min(promotion.as_of for promotion in known))
        days = [day for day in published if day >= first]
        champions = champions_by_day(known, [dt.date.fromisoformat(day) for day in days])
        by_day = {str(day): champion for day, champion in champions.items()}
        at_work = days_at_work(context.instance, use_case)
        held = sorted(day for day in days if at_work.covers(day))
        return Wanted(
            {day: f"{published[day].content_hash} {by_day[day].version} {by_day[day].sha256}" for day in days},
            waits=[f"Being built: {named(held)}."] if held else [],
            held=frozenset(held),
        )

    return look


def _labelled_days(deployment: Deployment, use_case: UseCase) -> Look:
    """Each predicted day that has labels, by the content of both."""

    def look(context: dg.SensorEvaluationContext) -> Wanted | Wait:
        tables = location_of(context).tables()
        try:
            predictions = tables.partitions(f"{use_case.name}/{deployment.predictions.name}")
            labels = tables.partitions(f"{use_case.name}/{deployment.quality.labels}")
        except TableNotFoundError as error:
            return Wait(f"{error.what} There is nothing to measure.")
        unlabelled = sorted(predictions.keys() - labels.keys())
        waits = [f"{len(unlabelled):,} predicted days have no labels yet: {named(unlabelled)}."] if unlabelled else []
        both = sorted(predictions.keys() & labels.keys())
        return Wanted({day: f"{predictions[day].content_hash} {labels[day].content_hash}" for day in both}, waits=waits)

    return look


def _promotion(artifacts: ObjectStore, use_case: UseCase, deployment: Deployment, month: str) -> Promotion | None:
    try:
        record = artifacts.read(record_path(f"{use_case.name}/{deployment.champion.name}", month))
    except FileNotFoundError:
        return None
    return Promotion.model_validate_json(record)


def _version(artifacts: ObjectStore, path: str) -> int:
    return int(json.loads(artifacts.read(path))["version"])


def _months(use_case: UseCase) -> list[str]:
    return list(use_case.by_as_of_month.get_partition_keys())
