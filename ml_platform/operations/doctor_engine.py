"""Whether steps find somebody who works on them: the broker, and workers for each kind of work.

Belongs here: one look at both. Does not: the other connections (`doctor`).
"""

from collections.abc import Collection

from ml_platform.errors import SettingsError
from ml_platform.settings import Settings, without_password

INSTALL = "apt-get install -y rabbitmq-server"
ANSWER_WITHIN_SECONDS = 3.0


def look_at_broker(settings: Settings) -> str:
    """That it answers and lets us in.

    Raises:
        SettingsError: it does not.
    """
    if not settings.celery_broker_url:
        return f"none: steps are processes of this machine. `{INSTALL}` brings RabbitMQ, `make cluster` uses it"
    from kombu.exceptions import OperationalError

    from ml_platform.execution.celery_app import celery_app

    app, told = celery_app(settings), without_password(settings.celery_broker_url.get_secret_value())
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0.2, timeout=ANSWER_WITHIN_SECONDS)
            product = connection.connection.server_properties
    except (OperationalError, OSError) as error:
        raise SettingsError(
            "The broker of ML_PLATFORM_CELERY_BROKER_URL cannot be used",
            got=f"{error} at {told}",
            remedy=f"Start it (`{INSTALL}` brings it), or correct host, port, user and password there.",
        ) from error
    return f"{product.get('product', 'a broker')} {product.get('version', '')} at {told}"


def look_at_workers(settings: Settings) -> str:
    """That workers take each kind of work, where there is a broker.

    Raises:
        SettingsError: nobody takes some of it: its steps wait.
    """
    if not settings.celery_broker_url:
        return "none are needed"
    from kombu.exceptions import OperationalError

    from ml_platform.execution.celery_app import KINDS, celery_app

    try:
        answers = celery_app(settings).control.inspect(timeout=ANSWER_WITHIN_SECONDS).active_queues() or {}
    except (OperationalError, OSError):
        return "the broker does not answer, so nothing is known"
    taken = {queue["name"] for queues in answers.values() for queue in queues}
    if missing := [kind for kind in KINDS if kind not in taken]:
        raise SettingsError(
            f"No worker takes steps of the queue {', '.join(missing)}: they wait",
            got=_told(answers),
            remedy=f"Start one, `ml-platform worker --queues {','.join(missing)}`; one that works may answer too late.",
        )
    return _told(answers)


def _told(workers: Collection[str]) -> str:
    return ", ".join(sorted(workers)) or "no worker answers"
