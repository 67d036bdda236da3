"""One message to one receiver, by its type."""

from ml_platform.recovery.alerts.message import Message
from ml_platform.recovery.alerts.receivers.answer import Answer
from ml_platform.recovery.alerts.routes import (
    PagerDutyReceiver,
    Receiver,
    SlackReceiver,
    WebhookReceiver,
)
from ml_platform.settings import Settings


def send(receiver: Receiver, message: Message, settings: Settings) -> Answer:
    """Send the message once, and say what became of it."""
    match receiver:
        case SlackReceiver():
            from ml_platform.recovery.alerts.receivers.slack import send_to_slack

            return send_to_slack(receiver, message, settings)
        case PagerDutyReceiver():
            from ml_platform.recovery.alerts.receivers.pagerduty import send_to_pagerduty

            return send_to_pagerduty(receiver, message, settings)
        case WebhookReceiver():
            from ml_platform.recovery.alerts.receivers.webhook import send_to_webhook

            return send_to_webhook(receiver, message, settings)
        case _:
            from ml_platform.recovery.alerts.receivers.email import send_by_email

            return send_by_email(receiver, message, settings)
