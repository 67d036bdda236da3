"""Steps as Celery tasks: the application, its queues, and what one message says.

Belongs here: what whoever sends steps and whoever works on them have in common. Does not: sending (`celery_executor`),
working (`celery_worker`).
"""

from typing import Any, Literal, get_args

from celery import Celery
from dagster._core.execution.plan.step import ExecutionStep
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import deserialize_value, serialize_value
from kombu.entity import Queue

from ml_platform.errors import SettingsError
from ml_platform.execution.pools import TRAINING
from ml_platform.settings import Settings

Kind = Literal["io", "train"]
"""Kinds of work, each a queue: what waits for stores and servers, and what takes cores and memory for minutes."""
KINDS: tuple[Kind, ...] = get_args(Kind)
QUEUE_TAG = "ml_platform/queue"
"""Tag of an op or asset whose steps go to another queue, which some worker has to be started for."""
STEP_TASK = "ml_platform.step"
HEARTBEAT_SECONDS = 10
"""How often broker and worker tell each other that they live; silence twice as long, and the step goes to another."""
CONNECT_WITHIN_SECONDS = 4


def celery_app(settings: Settings) -> Celery:
    """The application, the same for both sides; nothing is contacted.

    A message is acknowledged when its step has ended, and comes again if its worker is gone by then, or the broker was
    away: a worker that lost the connection ends its step, since somebody else is given it. There are no results: what
    became of a step is in Dagster's history.

    Raises:
        SettingsError: the settings name no broker, or one of another kind.
    """
    app = Celery("ml_platform", broker=_broker_url(settings), set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_queues=[Queue(kind, durable=True) for kind in KINDS],  # type: ignore[no-untyped-call]
        task_default_queue="io",
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_enable_remote_control=True,
        worker_hijack_root_logger=False,
        worker_soft_shutdown_timeout=settings.worker_grace_seconds,
        broker_heartbeat=HEARTBEAT_SECONDS,
        broker_connection_timeout=CONNECT_WITHIN_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"confirm_publish": True},  # a step counts as sent once the broker has written it
    )
    return app


def _broker_url(settings: Settings) -> str:
    """The address, which an error does not tell: it has a password."""
    url = settings.celery_broker_url.get_secret_value() if settings.celery_broker_url else ""
    scheme, separator, _ = url.partition("://")
    if scheme not in ("amqp", "amqps") or not separator:
        raise SettingsError(
            "ML_PLATFORM_CELERY_BROKER_URL is not the address of a RabbitMQ broker.",
            expected="amqp://<user>:<password>@<host>:<port>//, or amqps:// with TLS",
            got=f"{scheme}://..." if separator else "no address",
            remedy="Correct it, or unset it: then steps are processes of this machine.",
        )
    return url


def queue_of(step: ExecutionStep) -> str:
    """The queue of a step: as its tag says, or by the pool that guards what it uses."""
    return step.tags.get(QUEUE_TAG) or ("train" if step.pool == TRAINING else "io")


def packed(args: ExecuteStepArgs) -> str:
    """One attempt of one step, as a message carries it; it has no secret."""
    return serialize_value(args)


def unpacked(message: str) -> ExecuteStepArgs:
    """The same again."""
    return deserialize_value(message, ExecuteStepArgs)


def send(app: Celery, args: ExecuteStepArgs, queue: str) -> None:
    """Return once the broker has the message.

    Raises:
        kombu.exceptions.OperationalError: it does not answer; nothing was sent.
    """
    told: dict[str, Any] = {"queue": queue, "retry": False, "ignore_result": True}
    app.send_task(STEP_TASK, args=[packed(args)], **told)
