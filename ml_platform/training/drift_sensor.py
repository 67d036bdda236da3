"""Training because of an alarm: which as-of month is trained when features drift or predictions become worse.

Belongs here: what an alarm asks for. Does not: the alarm (`serving`), which is read from its table, or how runs are
asked for (`components`).

A model is of an as-of month and learns from the days before it. So an alarm asks for the newest month whose days are
all published and whose model is not there, or learnt from other content. Where there is none, training again would give
the same model: the sensor says so, and asks as soon as there is a newer month, if the alarm stands by then.
"""

import datetime as dt
from collections.abc import Mapping

import dagster as dg

from ml_platform.components.automation import Paging, Wait, Wanted
from ml_platform.components.automation_sensor import Job, content_sensor, is_busy, location_of, over
from ml_platform.components.drift_alarms import StandingAlarm, standing_alarm
from ml_platform.components.use_case import UseCase
from ml_platform.errors import TableNotFoundError
from ml_platform.storage.location import StorageLocation
from ml_platform.training.config import ModelConfig, RetrainingConfig
from ml_platform.training.content_roots import Root
from ml_platform.training.sensors import current_roots, months_to_train


def drift_sensor(use_case: UseCase, model: ModelConfig, retraining: RetrainingConfig, job: Job) -> dg.SensorDefinition:
    """`train_<use case>_<model>_on_drift`: each alarm asks for a month once, and none within the cool-down."""
    table = f"{use_case.name}/{retraining.alarms}"

    def months(context: dg.SensorEvaluationContext) -> Wanted | Wait:
        location = location_of(context)
        try:
            alarm = standing_alarm(location.tables(), table)
            if alarm is None:
                return Wait(f"No alarm stands in {table}.")
            if wait := _not_now(context.instance, use_case, model, retraining, job):
                return Wait(f"{alarm}: {wait}")
            now = current_roots(location, use_case, [model])
        except TableNotFoundError as error:
            return Wait(f"{error.what} Nothing calls for training.")
        return month_to_train(location, use_case, model, now, alarm)

    return content_sensor(
        f"{job.name}_on_drift",
        months,
        job,
        "drift",
        over(use_case.by_as_of_month)._replace(paging=Paging(partitions_per_run=1)),
        description=f"While {table} says that features have drifted or predictions have become worse, trains the "
        "newest as-of month that can learn something new, once for each alarm. After any training of the model it asks "
        f"for none for {retraining.cool_down_days:g} days.",
    )


def month_to_train(
    location: StorageLocation,
    use_case: UseCase,
    model: ModelConfig,
    now: Mapping[str, Mapping[str, Root]],
    alarm: StandingAlarm,
) -> Wanted | Wait:
    """The newest month, not before that of the champion, which has something new to learn from."""
    known = months_to_train(location, use_case, model, now, {})
    oldest = alarm.model_as_of.isoformat()
    due = [month for month in known.contents if month not in known.settled and month >= oldest]
    if due:
        return Wanted({max(due): alarm.identity})
    waits = " ".join(known.waits) or "No later month is in the calendar."
    return Wait(f"{alarm}: there is nothing newer to learn from than what the models of all months learnt. {waits}")


def _not_now(
    instance: dg.DagsterInstance, use_case: UseCase, model: ModelConfig, retraining: RetrainingConfig, job: Job
) -> str:
    """Why nothing is asked for now, whatever the alarm; empty if it may be."""
    days_job = f"build_{use_case.name}_days"  # of the data location, which is not imported here
    busy = [name for name in (days_job, job.name) if is_busy(instance, name)]
    if busy:
        return f"a run of {busy[0]} is not finished."
    made = instance.get_latest_materialization_event(use_case.key(f"{model.name}_model"))
    if made is None:
        return ""
    ends = dt.datetime.fromtimestamp(made.timestamp, dt.UTC) + dt.timedelta(days=retraining.cool_down_days)
    if dt.datetime.now(dt.UTC) >= ends:
        return ""
    return f"the model was trained, and until {ends:%Y-%m-%d %H:%M} UTC no further training is asked for."
