"""A message as Slack's Block Kit shows it.

Source: https://docs.slack.dev/reference/block-kit (limits), https://docs.slack.dev/messaging/formatting-message-text
(what is escaped), https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (answers).
"""

from typing import Any

from slack_sdk.webhook import WebhookClient

from ml_platform.recovery.alerts.message import Fact, Message
from ml_platform.recovery.alerts.receivers.answer import NO_ADDRESS, Answer, of_http, of_no_answer, shortened, silent
from ml_platform.recovery.alerts.routes import SlackReceiver, secret
from ml_platform.settings import Settings

MOST_HEADER, MOST_SECTION, MOST_FIELD, MOST_FIELDS, MOST_TEXT, MOST_URL = 150, 3000, 2000, 10, 4000, 3000
_SIGNS = {"info": "💬", "warning": "⚠️", "error": "🔴", "critical": "🚨"}


def send_to_slack(receiver: SlackReceiver, message: Message, settings: Settings) -> Answer:
    """Send the message to the webhook's channel."""
    url = secret(settings, receiver.url_from)
    client = WebhookClient(
        url.get_secret_value(), timeout=max(1, round(settings.alert_timeout_seconds)), retry_handlers=[], logger=silent
    )
    try:
        answered = client.send(text=fallback(message), blocks=blocks(message))
    except OSError as error:
        return of_no_answer(error)
    except ValueError:
        return NO_ADDRESS
    after = {name.lower(): value for name, value in answered.headers.items()}.get("retry-after")
    return of_http(answered.status_code, after, answered.body, [url])


def blocks(message: Message) -> list[dict[str, Any]]:
    """Headline, what happened, the facts, and the way to the run."""
    told: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(f"{_sign(message)} {message.title}", MOST_HEADER)},
        {"type": "section", "text": _plain(message.text or message.title, MOST_SECTION)},
    ]
    for start in range(0, len(message.facts), MOST_FIELDS):
        chunk = message.facts[start : start + MOST_FIELDS]
        told.append({"type": "section", "fields": [_field(fact) for fact in chunk]})
    about = " · ".join(part for part in (message.use_case, message.pipeline, message.key, message.id[:8]) if part)
    told.append({"type": "context", "elements": [_plain(about, MOST_SECTION)]})
    if message.link and len(message.link) <= MOST_URL:
        button = {"type": "button", "text": _plain("Open the run", 75), "url": message.link, "action_id": "open_run"}
        told.append({"type": "actions", "elements": [button]})
    return told


def fallback(message: Message) -> str:
    """What notifications show, where there are no blocks."""
    return shortened(escaped(f"{_sign(message)} {message.title}: {message.text}"), MOST_TEXT)


def escaped(text: str) -> str:
    """`text` with the three characters replaced that Slack would take for its own: no mention, link or channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _sign(message: Message) -> str:
    return "✅" if message.event == "resolved" else _SIGNS[message.severity]


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": shortened(text, most), "emoji": False}


def _field(fact: Fact) -> dict[str, Any]:
    """Label in bold, text as it is; cut before it is escaped, so that no entity is cut in two."""
    room = MOST_FIELD - len(fact.label) - 3
    text = fact.text
    while len(escaped(text)) > room:
        text = shortened(text, len(text) - max(1, (len(escaped(text)) - room) // 5))
    return {"type": "mrkdwn", "text": f"*{fact.label}*\n{escaped(text)}", "verbatim": True}
