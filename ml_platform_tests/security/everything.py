"""A process that does what the platform does, its secrets canaries: where everything answers, then where nothing does.

Belongs here: what is done. Does not: looking for the secrets.
"""

import os
import sys
import traceback
import uuid
from collections.abc import Callable

import dagster as dg
import psutil
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

from ml_platform.cli import main
from ml_platform.components.databases import Database
from ml_platform.data.pipeline import build_pipeline as build_data
from ml_platform.execution.celery_app import STEP_TASK, celery_app
from ml_platform.execution.instance import open_instance
from ml_platform.provenance.openlineage_delivery import deliver
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.serving.sinks import TableSink
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.training.config import ModelConfig
from ml_platform.training.pipeline import build_pipeline as build_training
from ml_platform_tests.data import shop
from ml_platform_tests.recovery.alerts.world import failed
from ml_platform_tests.security.canaries import BROKER, login
from ml_platform_tests.training.scenario import departures, publish, toy_model, toy_use_case

LANDED, QUERIED, MONTH = "landed", "queried", "2013-03-01"


def small_model() -> ModelConfig:
    """The toy model with one trial and few iterations."""
    search = {"trials": 1, "rungs": [{"iterations": 1, "keep": 1}]}
    return toy_model(iterations=3, report={"resamples": 100}, gate={"tolerance": 1.0}, search=search)


def definitions(settings: Settings, source: str) -> dg.Definitions:
    """A raw table from that source, and a model, with everything that they use."""
    resources = {**storage_resources(settings), "tracking": MlflowTracking.from_settings(settings)}
    declares = {"query": shop.QUERY} if source == QUERIED else {"landing": "orders/{day}.csv"}
    return dg.Definitions.merge(
        build_data(shop.pipeline(**declares), shop.use_case()),
        build_training([small_model()], toy_use_case()),
        dg.Definitions(resources=resources, executor=dg.in_process_executor),
    )


def land(settings: Settings) -> None:
    """An upstream drops a day."""
    StorageLocation.of(settings).landing().write(f"orders/{shop.DAY}.csv", shop.as_csv(shop.orders(shop.DAY)))


def send(settings: Settings) -> None:
    """The same day is in a database."""
    database = Database(shop.URL_FROM, settings.secret(shop.URL_FROM))
    TableSink(database, "orders", "placed_on", ["number"]).send(shop.orders(shop.DAY), str(shop.DAY))


def build(settings: Settings, source: str) -> bool:
    """Whether the day could be made of its source."""
    with open_instance() as instance:
        job = definitions(settings, source).resolve_job_def(shop.JOB)
        return job.execute_in_process(instance=instance, partition_key=str(shop.DAY), raise_on_error=False).success


def build_landed(settings: Settings) -> bool:
    """The same of objects."""
    return build(settings, LANDED)


def build_queried(settings: Settings) -> bool:
    """The same of a database."""
    return build(settings, QUERIED)


def train(settings: Settings) -> bool:
    """Whether a model could be trained and registered."""
    publish(StorageLocation.of(settings).tables(), departures(days=60, each_day=10))
    with open_instance() as instance:
        job = definitions(settings, LANDED).resolve_job_def("train_toy_delay")
        return job.execute_in_process(instance=instance, partition_key=MONTH, raise_on_error=False).success


def alert(settings: Settings) -> None:
    """Somebody is to be told, and cannot be."""
    center = AlertCenter(settings)
    center.raise_alert(failed())
    center.deliver(for_seconds=5)
    command("alerts", "list")


def tell_arguments() -> None:
    """What Dagster hands to its processes as an argument, and the arguments of those that stand by now."""
    with open_instance() as instance:
        say(instance.get_ref().to_dict())
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        say(process.cmdline())


def tell_lineage(settings: Settings) -> None:
    """A lineage server is to be told of a run, and is away."""
    event = RunEvent(RunState.START, "2013-07-04T00:00:00Z", Run(str(uuid.uuid4())), Job("shop", "raw"), producer="toy")
    deliver([event], None, settings)


def hand_over(settings: Settings) -> None:
    """A step is to go to a worker, and the broker is away."""
    celery_app(settings).send_task(STEP_TASK, queue="io", retry=False)


def change(prefix: str) -> None:
    """Set each variable to what the one has whose name begins so."""
    for name in [each for each in os.environ if each.startswith(prefix)]:
        os.environ[name.removeprefix(prefix)] = os.environ[name]


def show(settings: Settings) -> None:
    """What Dagster's servers hand to each other and show of a location, and what Python shows of the settings."""
    snapshot = RepositorySnap.from_def(definitions(settings, LANDED).get_repository_def())
    say(serialize_value(snapshot), settings, repr(settings))


def say(*what: object) -> None:
    """Print it."""
    sys.stdout.write(f"{' '.join(map(str, what))}\n")


def command(*arguments: str) -> None:
    """One of the platform's own commands."""
    sys.argv = ["ml-platform", *arguments]
    try:
        main()
    except SystemExit as ended:
        say("ended with", ended.code)


def attempt(what: Callable[[Settings], object], settings: Settings) -> None:
    """What comes of it, as it is printed at the end of a process if nobody catches it."""
    try:
        say(what(settings))
    except Exception:  # noqa: BLE001 - whatever it is, it is printed
        traceback.print_exc()


def where_all_answers() -> None:
    """Landing, ingestion from objects and from a database, and a training."""
    settings = Settings()
    land(settings)
    send(settings)
    done = build_landed(settings), build_queried(settings), train(settings)
    show(settings)
    tell_arguments()
    if not all(done):
        sys.exit(f"What was to succeed failed: {done}")


def where_nothing_answers() -> None:
    """The same where each refuses or is away, in turn; whoever is to be told of it is away as well."""
    change("REFUSED_")
    refused = Settings()
    for what in (land, build_landed, build_queried, send):
        attempt(what, refused)
    for name in ("DATA", "LANDING", "ARTIFACT", "EXPORT", "DATABASE"):
        os.environ.pop(f"ML_PLATFORM_{name}_{'URL' if name == 'DATABASE' else 'URI'}")
    away = Settings()
    for each in (build_queried, train, alert, tell_lineage):
        attempt(each, away)
    os.environ["ML_PLATFORM_DATABASE_URL"] = os.environ[shop.URL_FROM]
    os.environ["ML_PLATFORM_CELERY_BROKER_URL"] = f"amqp://{login(BROKER, '127.0.0.1:1')}//"
    command("doctor")
    attempt(hand_over, Settings())
    show(Settings())


if __name__ == "__main__":
    where_all_answers()
    where_nothing_answers()
