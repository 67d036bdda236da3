from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ml_platform.recovery.alerts.alert import SEVERITIES, Alert
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.recovery.alerts.message import Message, again, raised, resolved
from ml_platform.recovery.alerts.receivers.email import mail, send_by_email
from ml_platform.recovery.alerts.receivers.pagerduty import event
from ml_platform.recovery.alerts.receivers.slack import blocks, escaped, fallback
from ml_platform.recovery.alerts.routes import EmailReceiver
from ml_platform_tests.recovery.alerts.payloads import PAGERDUTY, SLACK
from ml_platform_tests.recovery.alerts.receivers import (
    ROUTING_KEY,
    Hub,
    alert_settings,
    mail_receiver,
    routes_to,
)
from ml_platform_tests.recovery.alerts.world import failed

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8"), max_size=40).flatmap(
    lambda text: st.sampled_from([text, text * 100, text + "<!channel> & <http://a|b>" * 200])
)
MAILBOX = EmailReceiver(name="mail", type="email", host_from="H", sender="a@example.com", to=["b@example.com"])


@st.composite
def messages(draw: st.DrawFn) -> Message:
    alert = Alert(
        kind="run_failed",
        severity=draw(st.sampled_from(SEVERITIES)),
        subject=draw(TEXT),
        what=draw(TEXT),
        served_meanwhile=draw(TEXT),
        owners=tuple(draw(st.lists(TEXT, max_size=3))),
        error=draw(TEXT),
        remedy=draw(TEXT),
        run_url=draw(st.sampled_from(["", "http://localhost:3000/runs/1"])),
    )
    return draw(st.sampled_from([raised(alert, AT), again(alert, 1000, AT), resolved(alert, draw(TEXT), 3, AT)]))


@settings(max_examples=40)
@given(message=messages())
def test_slack_takes_any_message(message: Message) -> None:
    Draft202012Validator(SLACK).validate({"text": fallback(message), "blocks": blocks(message)})


@settings(max_examples=40)
@given(message=messages())
def test_pagerduty_takes_any_message(message: Message) -> None:
    Draft202012Validator(PAGERDUTY).validate({"routing_key": ROUTING_KEY, **event(message)})


@settings(max_examples=40)
@given(message=messages())
def test_any_message_is_one_mail_whose_headers_hold(message: Message) -> None:
    made = mail(MAILBOX, message)
    assert made["Subject"]
    assert "\n" not in made["Subject"]
    assert made["To"] == "b@example.com"
    assert made.as_bytes()


def test_nothing_in_a_text_is_a_mention_or_a_link_in_slack() -> None:
    message = raised(failed(what="<!channel> & <http://evil|here>", served_meanwhile="<@U123>"), AT)
    assert escaped("<!channel> & you") == "&lt;!channel&gt; &amp; you"
    assert "<!" not in fallback(message)
    told = [field for block in blocks(message) for field in block.get("fields", ())]
    assert [each["text"] for each in told if "U123" in each["text"]] == ["*Served meanwhile*\n&lt;@U123&gt;"]
    assert all(each["verbatim"] for each in told)


def test_a_message_says_what_since_when_what_is_served_who_owns_it_and_where_to_look() -> None:
    message = raised(failed(since=AT), AT)
    facts = {each.label: each.text for each in message.facts}
    assert facts == {
        "Since": "2026-03-01 12:00:00 UTC",
        "Error": "code, ValueError",
        "Served meanwhile": "toy/clean as it was published at 2013-07-03 06:00 UTC, version 41.",
        "Owner": "team:toys",
        "What to do": "Correct the code, and re-execute it from the failure.",
    }
    assert message.link == "http://localhost:3000/runs/0af1"


def test_a_mail_arrives_and_an_alert_is_one_thread(hub: Hub, tmp_path: Path) -> None:
    with mail_receiver() as mailbox:
        center = AlertCenter(alert_settings(tmp_path, routes_to(hub, mailbox)))
        center.raise_alert(failed())
        center.resolve(failed().fingerprint, "It was made again.")
        center.deliver()
    assert [each["Subject"] for each in mailbox.mails] == [
        "[error] toy/clean failed",
        "Resolved: toy/clean failed",
    ]
    assert len({each["References"] for each in mailbox.mails}) == 1
    assert "Owner: team:toys" in mailbox.mails[0].get_content()


@pytest.mark.parametrize(
    ("refusal", "is_final"), [("451 try later", False), ("554 no such thing", True), ("552 too large", True)]
)
def test_a_mail_server_that_refuses_says_whether_later_helps(
    hub: Hub, tmp_path: Path, refusal: str, is_final: bool
) -> None:
    with mail_receiver() as mailbox:
        routes = routes_to(hub, mailbox)
        center = AlertCenter(alert_settings(tmp_path, routes))
        receiver = center.routes.receiver("mail")
        assert isinstance(receiver, EmailReceiver)
        mailbox.refusals.append(refusal)
        answer = send_by_email(receiver, raised(failed(), AT), center._settings)
    assert (answer.is_taken, answer.is_final) == (False, is_final)
    assert answer.reason.startswith(f"SMTP {refusal[:3]}")


def test_a_mail_server_that_is_down_is_tried_later(hub: Hub, tmp_path: Path) -> None:
    receiver = MAILBOX.model_copy(update={"host_from": "TEST_SMTP_HOST", "port": 9, "security": "none"})
    answer = send_by_email(receiver, raised(failed(), AT), alert_settings(tmp_path, routes_to(hub)))
    assert answer == (False, False, "no answer: connection refused", None)


def test_a_mail_is_sent_with_a_login_over_an_encrypted_connection(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    login = {"user_from": "TEST_SMTP_USER", "password_from": "TEST_SMTP_PASSWORD", "host_from": "TEST_SMTP_HOST"}
    settings = alert_settings(tmp_path / "home", routes_to(hub))
    with mail_receiver(certificate) as mailbox:
        receiver = MAILBOX.model_copy(update={**login, "port": mailbox.port})
        assert send_by_email(receiver, raised(failed(), AT), settings).is_taken
        wrong = receiver.model_copy(update={"password_from": "TEST_HOOK_SECRET"})
        assert send_by_email(wrong, raised(failed(), AT), settings)[:2] == (False, True)
    assert len(mailbox.mails) == 1


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine's loopback, signed by itself."""
    import ipaddress
    from datetime import timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    signed = made.add_extension(alternative, critical=True).sign(key, hashes.SHA256())
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return certificate, secret
