"""Receivers of alerts as real servers of this machine, which hold what they get against the vendors' schemas.

    with http_receiver() as hub, mail_receiver() as mailbox:
        settings = alert_settings(home, routes_to(hub, mailbox))  # and the environment that `secrets_of` gives
        ...
        assert [each["title"] for each in hub.documents] == [...]

`hub.answers.append(Refusal(503))` has the next request refused; `hub.stop()` closes the port, `hub.start()` opens the
same one again. A payload that a vendor would refuse is answered with 400, as the vendor does, and is in `hub.wrong`.
"""

import json
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from jsonschema import Draft202012Validator

from ml_platform.local_servers.ports import LOOPBACK
from ml_platform.recovery.alerts.receivers.webhook import signature
from ml_platform.settings import Settings
from ml_platform_tests.recovery.alerts.payloads import PAGERDUTY, SLACK

SLACK_TOKEN = "T0CANARY/B0CANARY/slackcanarysecret"
ROUTING_KEY = "canaryroutingkey0123456789abcdef"
HOOK_SECRET = "canary-shared-secret-of-the-hook"
MAIL_USER, MAIL_PASSWORD = "canary-user", "canary-password-of-the-mailbox"
CANARIES = (SLACK_TOKEN, ROUTING_KEY, HOOK_SECRET, MAIL_PASSWORD)


class Refusal(NamedTuple):
    """How one request is answered instead; `hang_seconds` is how long that takes."""

    status: int
    headers: Mapping[str, str] = {}
    hang_seconds: float = 0.0


class Got(NamedTuple):
    """One request that was accepted."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Hub:
    """Slack, PagerDuty and a webhook on one port."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    requests: int = 0
    answers: deque[Refusal] = field(default_factory=deque)
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def slack(self) -> list[dict[str, Any]]:
        """What Slack got."""
        return [each.body for each in self.got if each.path.startswith("/services/")]

    @property
    def pagerduty(self) -> list[dict[str, Any]]:
        """What PagerDuty got."""
        return [each.body for each in self.got if each.path == "/v2/enqueue"]

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What the webhook got."""
        return [each.body for each in self.got if each.path == "/hook"]

    def start(self) -> None:
        """Listen; again on the same port after a stop."""
        self._server = _Server((LOOPBACK, self.port), _Handler)
        cast(Any, self._server).hub = self
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port: nobody answers."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        self._server = None


@contextmanager
def http_receiver() -> Iterator[Hub]:
    """A hub that answers until the block ends."""
    hub = Hub()
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        hub: Hub = cast(Any, self.server).hub
        hub.requests += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if hub.answers:
            refusal = hub.answers.popleft()
            threading.Event().wait(refusal.hang_seconds)
            self._answer(refusal.status, b"refused", refusal.headers)
            return
        wrong = _wrong(self.path, dict(self.headers), body)
        if wrong:
            hub.wrong.append(wrong)
            self._answer(400, b"invalid_payload")
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        hub.got.append(Got(self.path, headers, json.loads(body)))
        status, told = (202, b'{"status":"success"}') if self.path == "/v2/enqueue" else (200, b"ok")
        self._answer(status, told)

    def _answer(self, status: int, told: bytes, headers: Mapping[str, str] = {}) -> None:
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(told))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told)
        except OSError:
            pass  # the sender did not wait for it

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _wrong(path: str, headers: dict[str, str], body: bytes) -> str:
    """Why a vendor would refuse the request; empty if it would not."""
    if path == "/hook":
        sent, timestamp = headers.get("X-Ml-Platform-Signature"), headers.get("X-Ml-Platform-Timestamp", "")
        return "" if sent == f"v1={signature(HOOK_SECRET, timestamp, body)}" else "the signature is wrong"
    schema = {f"/services/{SLACK_TOKEN}": SLACK, "/v2/enqueue": PAGERDUTY}.get(path)
    if schema is None:
        return f"nobody is at {path}"
    problems = [each.message for each in Draft202012Validator(schema).iter_errors(json.loads(body))]
    return "; ".join(problems)


class Mailbox:
    """A mail server that wants a login, and what it got."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusals: deque[str] = deque()
        self.port = 0

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Take one mail, or answer with the next refusal."""
        from email import message_from_bytes, policy

        if self.refusals:
            return self.refusals.popleft()
        self.mails.append(cast(EmailMessage, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        """Let the one user in."""
        known = (MAIL_USER.encode(), MAIL_PASSWORD.encode())
        is_known = isinstance(data, LoginPassword) and (data.login, data.password) == known
        return AuthResult(success=is_known, handled=False)


@contextmanager
def mail_receiver(certificate: tuple[Path, Path] | None = None) -> Iterator[Mailbox]:
    """A mail server without encryption and login; with a certificate and its key it wants both."""
    import ssl

    mailbox, context = Mailbox(), None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
    with socket.create_server((LOOPBACK, 0)) as probe:
        mailbox.port = probe.getsockname()[1]
    controller = Controller(
        mailbox,
        hostname=LOOPBACK,
        port=mailbox.port,
        authenticator=mailbox.authenticate,
        auth_required=bool(context),
        auth_require_tls=bool(context),
        require_starttls=bool(context),
        tls_context=context,
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


def routes_to(hub: Hub, mailbox: Mailbox | None = None, **route: Any) -> dict[str, Any]:
    """A file of routes: all receivers on one route, with `route`'s fields."""
    receivers: list[dict[str, Any]] = [
        {"name": "channel", "type": "slack", "url_from": "TEST_SLACK_URL"},
        {"name": "pager", "type": "pagerduty", "routing_key_from": "TEST_PAGER_KEY", "url": hub.url},
        {"name": "hook", "type": "webhook", "url_from": "TEST_HOOK_URL", "secret_from": "TEST_HOOK_SECRET"},
    ]
    if mailbox:
        receivers.append(
            {
                "name": "mail",
                "type": "email",
                "host_from": "TEST_SMTP_HOST",
                "port": mailbox.port,
                "security": "none",
                "sender": "platform@example.com",
                "to": ["team@example.com"],
            }
        )
    names = [each["name"] for each in receivers]
    return {"receivers": receivers, "routes": [{"name": "everything", "receivers": names, **route}]}


def secrets_of(hub: Hub) -> dict[str, str]:
    """The environment that those receivers need."""
    return {
        "TEST_SLACK_URL": f"{hub.url}/services/{SLACK_TOKEN}",
        "TEST_PAGER_KEY": ROUTING_KEY,
        "TEST_HOOK_URL": f"{hub.url}/hook",
        "TEST_HOOK_SECRET": HOOK_SECRET,
        "TEST_SMTP_HOST": LOOPBACK,
        "TEST_SMTP_USER": MAIL_USER,
        "TEST_SMTP_PASSWORD": MAIL_PASSWORD,
    }


def alert_settings(home: Path, routes: dict[str, Any], **changes: Any) -> Settings:
    """Settings of a platform in `home` with these routes."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "alerts.yaml"
    path.write_text(yaml.safe_dump(routes))
    return Settings(home=home, alert_routes=path, **changes)
