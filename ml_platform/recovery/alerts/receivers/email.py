"""A message as a mail in plain text; the mails of one alert are one thread."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime

from ml_platform.recovery.alerts.message import Message
from ml_platform.recovery.alerts.receivers.answer import TAKEN, Answer, masked, of_no_answer, shortened
from ml_platform.recovery.alerts.routes import EmailReceiver, secret
from ml_platform.settings import Settings

MOST_SUBJECT = 200


def send_by_email(receiver: EmailReceiver, message: Message, settings: Settings) -> Answer:
    """Send the message to the mailboxes."""
    secrets = [secret(settings, name) for name in receiver.variables]
    try:
        with _connected(receiver, settings) as server:
            if receiver.user_from and receiver.password_from:
                user, password = (secret(settings, name) for name in (receiver.user_from, receiver.password_from))
                server.login(user.get_secret_value(), password.get_secret_value())
            server.send_message(mail(receiver, message))
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        return Answer(False, all(code >= 500 for code in codes), f"SMTP {max(codes)}, recipients refused")
    except smtplib.SMTPResponseException as error:
        told = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return Answer(False, error.smtp_code >= 500, f"SMTP {error.smtp_code}, {masked(told, secrets)}")
    except smtplib.SMTPNotSupportedError:
        return Answer(False, True, f"the mail server does not offer what 'security: {receiver.security}' needs")
    except (OSError, smtplib.SMTPServerDisconnected) as error:
        return of_no_answer(error)
    return TAKEN


def mail(receiver: EmailReceiver, message: Message) -> EmailMessage:
    """Subject, text and the headers that make a thread; the message's id is the mail's."""
    made = EmailMessage()
    made["From"], made["To"] = receiver.sender, ", ".join(receiver.to)
    made["Subject"] = shortened(" ".join(f"{_mark(message)}{message.title}".split()), MOST_SUBJECT)
    made["Date"] = format_datetime(message.at)
    made["Message-ID"] = f"<{message.id}@ml-platform>"
    made["References"] = f"<{message.key}@ml-platform>"
    made["Auto-Submitted"] = "auto-generated"
    lines = [message.text, "", *(f"{fact.label}: {fact.text}" for fact in message.facts)]
    if message.link:
        lines += ["", f"Run: {message.link}"]
    lines += ["", f"Alert {message.key}, message {message.id}"]
    made.set_content("\n".join(lines))
    return made


def _mark(message: Message) -> str:
    return "" if message.event == "resolved" else f"[{message.severity}] "


def _connected(receiver: EmailReceiver, settings: Settings) -> smtplib.SMTP:
    """A connection that is as encrypted as it should be."""
    host, timeout = secret(settings, receiver.host_from).get_secret_value(), settings.alert_timeout_seconds
    if receiver.security == "tls":
        return smtplib.SMTP_SSL(host, receiver.port, timeout=timeout, context=ssl.create_default_context())
    server = smtplib.SMTP(host, receiver.port, timeout=timeout)
    try:
        if receiver.security == "starttls":
            server.starttls(context=ssl.create_default_context())
    except OSError:
        server.close()
        raise
    return server
