"""Sensors and schedules of training: what a model may learn from is observed, and its training asked for.

Belongs here: when. Does not: what a content root is (`content_roots`), or how runs are asked for (`components`).
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from itertools import islice

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.components.automation import Paging, Wait, Wanted, named, short
from ml_platform.components.automation_sensor import (
    Job,
    content_sensor,
    default_status,
    location_of,
    over,
    seen_by,
)
from ml_platform.components.days_at_work import days_at_work
from ml_platform.components.schedules import Ready
from ml_platform.components.use_case import UseCase
from ml_platform.errors import TableNotFoundError
from ml_platform.recovery.degradation import Degradations
from ml_platform.settings import environment_settings
from ml_platform.storage.io_managers import record_path
from ml_platform.storage.location import StorageLocation
from ml_platform.training.config import ModelConfig
from ml_platform.training.content_roots import Root, observation, read_together, root_key, roots_as_read, roots_at
from ml_platform.training.records import Inputs

_EVENTS_OF_A_TICK = 200


class Observed(BaseModel):
    """What the roots sensor has reported: the root of each `<table> <month>`."""

    model_config = ConfigDict(frozen=True)

    roots: Mapping[str, str] = Field(default={}, description="First sixteen characters of the hash of each root.")


def roots_sensor(use_case: UseCase, models: Sequence[ModelConfig]) -> dg.SensorDefinition:
    """`observe_<use case>_content_roots`: reports each month's root when it is another one; starts no run."""

    @dg.sensor(
        name=f"observe_{use_case.name}_content_roots",
        description="Observes what each as-of month may learn from, so that models of months whose data changed are "
        "shown as stale. It starts nothing.",
        minimum_interval_seconds=environment_settings().sensor_interval_seconds,
        default_status=default_status("roots"),
        required_resource_keys={"tables"},
        tags={"ml_platform/kind": "roots"},
    )
    def observe(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        known = Observed.model_validate_json(context.cursor) if context.cursor else Observed()
        location = location_of(context)
        try:
            now = current_roots(location, use_case, models)
        except TableNotFoundError as error:
            return dg.SensorResult(skip_reason=f"{error.what} No root can be had of it.", cursor=context.cursor)
        roots = {f"{table} {month}": (table, month, root) for table, of in now.items() for month, root in of.items()}
        changed = {name: each for name, each in roots.items() if known.roots.get(name) != short(each[2].content_root)}
        page = dict(islice(changed.items(), _EVENTS_OF_A_TICK))
        reported = {name: short(root.content_root) for name, (_, _, root) in page.items()}
        cursor = Observed(roots={**known.roots, **reported}).model_dump_json()
        if not page:
            return dg.SensorResult(skip_reason="No month may learn from anything else than before.", cursor=cursor)
        events = [observation(root_key(use_case, table), month, root) for table, month, root in page.values()]
        return dg.SensorResult(asset_events=events, cursor=cursor)

    return observe


def training_sensor(use_case: UseCase, model: ModelConfig, job: Job) -> dg.SensorDefinition:
    """`train_<use case>_<model>_on_new_content`: each month once the days before it are there, and when they change."""

    def months(context: dg.SensorEvaluationContext) -> Wanted | Wait:
        location = location_of(context)
        try:
            now = current_roots(location, use_case, [model])
        except TableNotFoundError as error:
            return Wait(f"{error.what} There is nothing to learn from.")
        wanted = months_to_train(location, use_case, model, now, seen_by(context))
        at_work = days_at_work(context.instance, use_case)
        held = sorted(month for month in wanted.contents if at_work.begins_before(month))
        waits = [*wanted.waits, *([f"Days before these are being built: {named(held)}."] if held else [])]
        return wanted._replace(waits=waits, held=frozenset(held))

    return content_sensor(
        f"{job.name}_on_new_content",
        months,
        job,
        "training",
        over(use_case.by_as_of_month)._replace(paging=Paging(partitions_per_run=1)),
        description="Trains each as-of month once the day before it is published, and again when the content that its "
        "model learnt from has changed. One month at a time.",
    )


def month_is_due(use_case: UseCase, model: ModelConfig) -> Ready:
    """Why a month need not be trained by the clock; its last days may be missing then, for the clock does not wait."""

    def why_not(context: dg.ScheduleEvaluationContext, month: str) -> str:
        location = location_of(context)
        try:
            now = current_roots(location, use_case, [model])
        except TableNotFoundError as error:
            return f"{error.what} There is nothing to learn from."
        features, labels = now[model.features_table].get(month), now[model.labels_table].get(month)
        if not (features and labels):
            return f"Nothing is published before {month}. There is nothing to learn from."
        is_learnt = _learnt_from(location, use_case, model, month) == _content(features, labels)
        return f"The model of {month} has learnt from all that is published before it." if is_learnt else ""

    return why_not


def current_roots(
    location: StorageLocation, use_case: UseCase, models: Sequence[ModelConfig]
) -> dict[str, dict[str, Root]]:
    """The root of each table that a model reads, by month, from the newest versions.

    Raises:
        TableNotFoundError: one of the tables was never published.
    """
    tables, ledger = location.tables(), Degradations(location.artifacts())
    months, together = use_case.by_as_of_month.get_partition_keys(), read_together(models)
    marks = {table: ledger.of(f"{use_case.name}/{table}").keys() for table in together}
    return {
        table: roots_at(tables, f"{use_case.name}/{table}", months, {day for other in others for day in marks[other]})
        for table, others in together.items()
    }


def months_to_train(
    location: StorageLocation,
    use_case: UseCase,
    model: ModelConfig,
    now: Mapping[str, Mapping[str, Root]],
    seen: Mapping[str, str],
) -> Wanted:
    """Each month whose last day before it is published, by its roots; settled where its model learnt from these."""
    features, labels = now[model.features_table], now[model.labels_table]
    both = sorted(features.keys() & labels.keys())
    contents = {month: _content(features[month], labels[month]) for month in both}
    settled, early = set[str](), list[str]()
    for month in both:
        if seen.get(month) == short(contents[month]):
            continue
        learnt = _learnt_from(location, use_case, model, month)
        if learnt == contents[month]:
            settled.add(month)
        elif not learnt and min(features[month].last_day, labels[month].last_day) < _day_before(month):
            early.append(month)
    waits = [f"{named(early)} wait for {_day_before(early[0])}, the last day to learn from."] if early else []
    return Wanted({month: contents[month] for month in both if month not in early}, frozenset(settled), waits)


def _learnt_from(location: StorageLocation, use_case: UseCase, model: ModelConfig, month: str) -> str:
    """What the model of the month was trained on; empty if there is none."""
    try:
        record = location.artifacts().read(record_path(f"{use_case.name}/{model.name}_model", month))
    except FileNotFoundError:
        return ""
    inputs = Inputs.model_validate(json.loads(record)["inputs"])
    return _content(*roots_as_read(location.tables(), inputs, month))


def _content(features: Root, labels: Root) -> str:
    return f"{features.content_root} {labels.content_root}"


def _day_before(month: str) -> str:
    return str(dt.date.fromisoformat(month) - dt.timedelta(days=1))
