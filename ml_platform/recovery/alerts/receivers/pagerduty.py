"""A message as an event of PagerDuty: an alert triggers, or resolves, the incident of its key.

Source: https://developer.pagerduty.com/docs/events-api-v2-overview and .../send-an-alert-event (fields and limits).
"""

import json
from typing import Any

from ml_platform.recovery.alerts.message import Message
from ml_platform.recovery.alerts.receivers.answer import Answer, post, shortened
from ml_platform.recovery.alerts.routes import PagerDutyReceiver, secret
from ml_platform.settings import Settings

MOST_SUMMARY, MOST_DETAIL, MOST_KEY = 1024, 8000, 255
SOURCE = "ml-platform"


def send_to_pagerduty(receiver: PagerDutyReceiver, message: Message, settings: Settings) -> Answer:
    """Send the message to the service of the routing key."""
    key = secret(settings, receiver.routing_key_from)
    body = json.dumps({"routing_key": key.get_secret_value(), **event(message)}).encode()
    return post(f"{receiver.url.rstrip('/')}/v2/enqueue", body, {}, settings.alert_timeout_seconds, [key])


def event(message: Message) -> dict[str, Any]:
    """The event without its routing key."""
    if message.event == "resolved":
        return {"event_action": "resolve", "dedup_key": message.key[:MOST_KEY]}
    details = {fact.label: shortened(fact.text, MOST_DETAIL) for fact in message.facts}
    told: dict[str, Any] = {
        "event_action": "trigger",
        "dedup_key": message.key[:MOST_KEY],
        "client": SOURCE,
        "payload": {
            "summary": shortened(message.title, MOST_SUMMARY),
            "source": SOURCE,
            "severity": message.severity,
            "timestamp": message.at.isoformat(),
            "component": message.subject,
            "group": message.use_case or "platform",
            "class": message.kind,
            "custom_details": {
                "What happened": shortened(message.text, MOST_DETAIL),
                **details,
                "Message": message.id,
            },
        },
    }
    if message.link:
        told["client_url"] = message.link
        told["links"] = [{"href": message.link, "text": "Open the run"}]
    return told
