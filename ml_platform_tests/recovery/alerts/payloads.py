"""What Slack and PagerDuty accept, as JSON schemas of their public documentation.

Source: https://docs.slack.dev/reference/block-kit/blocks (header, section, context, actions) and
https://docs.slack.dev/reference/block-kit/composition-objects/text-object;
https://developer.pagerduty.com/docs/send-alert-event (Events API v2, alert events).
"""

from typing import Any


def _text(most: int, *types: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "text"],
        "additionalProperties": False,
        "properties": {
            "type": {"enum": list(types)},
            "text": {"type": "string", "minLength": 1, "maxLength": most},
            "emoji": {"type": "boolean"},
            "verbatim": {"type": "boolean"},
        },
        "allOf": [
            {"if": {"properties": {"type": {"const": "plain_text"}}}, "then": {"not": {"required": ["verbatim"]}}},
            {"if": {"properties": {"type": {"const": "mrkdwn"}}}, "then": {"not": {"required": ["emoji"]}}},
        ],
    }


def _block(kind: str, required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", *required],
        "additionalProperties": False,
        "properties": {"type": {"const": kind}, "block_id": {"type": "string", "maxLength": 255}, **properties},
    }


_BUTTON = _block(
    "button",
    ["text"],
    text=_text(75, "plain_text"),
    url={"type": "string", "maxLength": 3000},
    action_id={"type": "string", "maxLength": 255},
)
_FIELDS = {"type": "array", "minItems": 1, "maxItems": 10, "items": _text(2000, "plain_text", "mrkdwn")}
_SECTION = _block("section", [], text=_text(3000, "plain_text", "mrkdwn"), fields=_FIELDS)

SLACK: dict[str, Any] = {
    "type": "object",
    "required": ["text", "blocks"],
    "additionalProperties": False,
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 4000},
        "blocks": {
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "items": {
                "oneOf": [
                    _block("header", ["text"], text=_text(150, "plain_text")),
                    {**_SECTION, "anyOf": [{"required": ["text"]}, {"required": ["fields"]}]},
                    _block(
                        "context",
                        ["elements"],
                        elements={
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 10,
                            "items": _text(3000, "plain_text", "mrkdwn"),
                        },
                    ),
                    _block(
                        "actions",
                        ["elements"],
                        elements={"type": "array", "minItems": 1, "maxItems": 25, "items": _BUTTON},
                    ),
                ]
            },
        },
    },
}

_NON_EMPTY = {"type": "string", "minLength": 1}

PAGERDUTY: dict[str, Any] = {
    "type": "object",
    "required": ["routing_key", "event_action"],
    "additionalProperties": False,
    "properties": {
        "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
        "client": _NON_EMPTY,
        "client_url": {"type": "string", "pattern": "^https?://"},
        "links": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["href"],
                "additionalProperties": False,
                "properties": {"href": {"type": "string", "pattern": "^https?://"}, "text": _NON_EMPTY},
            },
        },
        "payload": {
            "type": "object",
            "required": ["summary", "source", "severity"],
            "additionalProperties": False,
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": _NON_EMPTY,
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": {
                    "type": "string",
                    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$",
                },
                "component": {"type": "string"},
                "group": {"type": "string"},
                "class": {"type": "string"},
                "custom_details": {"type": "object"},
            },
        },
    },
    "allOf": [
        {"if": {"properties": {"event_action": {"const": "trigger"}}}, "then": {"required": ["payload"]}},
        {"if": {"properties": {"event_action": {"const": "resolve"}}}, "then": {"required": ["dedup_key"]}},
    ],
}
