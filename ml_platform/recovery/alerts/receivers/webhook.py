"""A message as a JSON document, signed if a secret is shared.

The body is what `document` gives. With a secret, `X-Ml-Platform-Signature` is "v1=" and the hexadecimal HMAC-SHA256 of
`X-Ml-Platform-Timestamp`, a full stop and the body: a receiver compares it, and refuses old timestamps.
"""

import hashlib
import hmac
import json
import time
from typing import Any

from ml_platform.recovery.alerts.message import Message
from ml_platform.recovery.alerts.receivers.answer import Answer, post
from ml_platform.recovery.alerts.routes import WebhookReceiver, secret
from ml_platform.settings import Settings

VERSION = 1


def send_to_webhook(receiver: WebhookReceiver, message: Message, settings: Settings) -> Answer:
    """Send the message to the URL."""
    url, body = secret(settings, receiver.url_from), json.dumps(document(message)).encode()
    headers, secrets = {"X-Ml-Platform-Message": message.id}, [url]
    if receiver.secret_from:
        shared, timestamp = secret(settings, receiver.secret_from), str(int(time.time()))
        headers["X-Ml-Platform-Timestamp"] = timestamp
        headers["X-Ml-Platform-Signature"] = f"v1={signature(shared.get_secret_value(), timestamp, body)}"
        secrets.append(shared)
    return post(url.get_secret_value(), body, headers, settings.alert_timeout_seconds, secrets)


def document(message: Message) -> dict[str, Any]:
    """The message's fields, with the version of this form."""
    return {"version": VERSION, **message.model_dump(mode="json")}


def signature(shared_secret: str, timestamp: str, body: bytes) -> str:
    """What proves that the sender has the secret, and that neither body nor timestamp was changed."""
    return hmac.new(shared_secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
