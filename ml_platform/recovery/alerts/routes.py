"""Who is told of what: the receivers and routes of `alerts.yaml`, which a team edits.

Belongs here: the file's fields, and which route fits an alert. Does not: sending. Secrets are not in the file: it names
the environment variables that hold them.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from ml_platform.recovery.alerts.alert import SEVERITIES, Alert, Severity
from ml_platform.settings import Settings, Variable
from ml_platform.typed_yaml import load_typed

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,59}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Receiver(_Part):
    name: Name = Field(description="What routes call it.")

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables without which nothing can be sent to it."""
        return ()


class SlackReceiver(_Receiver):
    """A channel of Slack, through an incoming webhook."""

    type: Literal["slack"] = Field(description="A channel of Slack.")
    url_from: Variable = Field(description="Environment variable that holds the URL of the incoming webhook.")

    @property
    def variables(self) -> tuple[str, ...]:
        """The webhook's URL, which is its secret."""
        return (self.url_from,)


class PagerDutyReceiver(_Receiver):
    """A service of PagerDuty, through Events API v2."""

    type: Literal["pagerduty"] = Field(description="A service of PagerDuty.")
    routing_key_from: Variable = Field(description="Environment variable that holds the integration's routing key.")
    url: str = Field(
        "https://events.pagerduty.com", pattern=r"^https?://\S+$", description="Where Events API v2 answers."
    )

    @property
    def variables(self) -> tuple[str, ...]:
        """The routing key."""
        return (self.routing_key_from,)


class WebhookReceiver(_Receiver):
    """Any service that takes a JSON document by POST."""

    type: Literal["webhook"] = Field(description="Any service that takes JSON by POST.")
    url_from: Variable = Field(description="Environment variable that holds the URL.")
    secret_from: Variable | None = Field(
        None, description="Environment variable that holds the secret which requests are signed with."
    )

    @property
    def variables(self) -> tuple[str, ...]:
        """The URL, and the secret if requests are to be signed."""
        return (self.url_from, *([self.secret_from] if self.secret_from else []))


class EmailReceiver(_Receiver):
    """Mailboxes, through a mail server."""

    type: Literal["email"] = Field(description="Mailboxes.")
    host_from: Variable = Field(description="Environment variable that holds the mail server's host name.")
    port: int = Field(587, ge=1, le=65535, description="Port of the mail server.")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="How the connection is encrypted.")
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", description="Address that mails come from.")
    to: list[Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")]] = Field(
        min_length=1, description="Addresses that mails go to."
    )
    user_from: Variable | None = Field(None, description="Environment variable that holds the login's user name.")
    password_from: Variable | None = Field(None, description="Environment variable that holds the login's password.")

    @model_validator(mode="after")
    def user_and_password_come_together(self) -> Self:
        """Refuse half of a login, and one that would be sent as plain text."""
        if bool(self.user_from) != bool(self.password_from):
            raise ValueError("user_from and password_from come together, or neither does")
        if self.password_from and self.security == "none":
            raise ValueError("a password is not sent over a connection that is not encrypted")
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """The host, and the login if there is one."""
        return tuple(name for name in (self.host_from, self.user_from, self.password_from) if name)


Receiver = SlackReceiver | PagerDutyReceiver | WebhookReceiver | EmailReceiver


class Storm(_Part):
    """When alerts are too many to be told one by one."""

    more_than: int = Field(10, ge=1, description="New alerts within `minutes` that are still told one by one.")
    minutes: float = Field(10.0, gt=0, description="Length of the window, and the time between two summaries.")


class Route(_Part):
    """Which alerts go to which receivers; what is left out fits everything."""

    name: Name = Field(description="What messages call it.")
    receivers: list[Name] = Field(min_length=1, description="Names of the receivers that are told.")
    at_least: Severity = Field("info", description="The lowest severity that fits: info, warning, error or critical.")
    use_cases: list[str] = Field([], description="Use cases that fit; all if left out.")
    pipelines: list[str] = Field([], description="Code locations that fit; all if left out.")
    owners: list[str] = Field([], description="Owners of whom one fits, as in use_case.yaml; all if left out.")
    repeat_minutes: float = Field(60.0, gt=0, description="Time between two counts of an alert that goes on.")
    storm: Storm = Field(Storm(), description="When alerts are summed up instead of told one by one.")

    def fits(self, alert: Alert) -> bool:
        """Whether the alert goes this way."""
        return (
            SEVERITIES.index(alert.severity) >= SEVERITIES.index(self.at_least)
            and (not self.use_cases or alert.use_case in self.use_cases)
            and (not self.pipelines or alert.pipeline in self.pipelines)
            and (not self.owners or bool(set(self.owners) & set(alert.owners)))
        )


class AlertRoutes(_Part):
    """The whole file."""

    receivers: list[Annotated[Receiver, Field(discriminator="type")]] = Field(
        [], description="Where messages can be sent."
    )
    routes: list[Route] = Field([], description="In order: an alert goes the first way that fits.")

    @model_validator(mode="after")
    def names_are_declared_once(self) -> Self:
        """Refuse a name that stands twice, and a route to nobody."""
        for what, names in (
            ("receiver", [each.name for each in self.receivers]),
            ("route", [r.name for r in self.routes]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"more than one {what} is called {', '.join(twice)}")
        known = {each.name for each in self.receivers}
        for route in self.routes:
            unknown = sorted(set(route.receivers) - known)
            if unknown:
                raise ValueError(
                    f"route '{route.name}' names no receiver that is declared: {', '.join(unknown)}; "
                    f"declared are {', '.join(sorted(known)) or 'none'}"
                )
        return self

    def route_of(self, alert: Alert) -> Route | None:
        """The first route that fits; none if the alert is only listed."""
        return next((route for route in self.routes if route.fits(alert)), None)

    def receiver(self, name: str) -> Receiver | None:
        """The receiver of that name."""
        return next((each for each in self.receivers if each.name == name), None)

    def route(self, name: str) -> Route | None:
        """The route of that name."""
        return next((each for each in self.routes if each.name == name), None)


def load_routes(path: Path) -> AlertRoutes:
    """The receivers and routes that the file declares.

    Raises:
        DefinitionError: it cannot be read, or its fields are not as declared.
    """
    return load_typed(path, f"{path.parent.name}/{path.name}".lstrip("/"), AlertRoutes)


def not_set(receiver: Receiver, settings: Settings) -> tuple[str, ...]:
    """The environment variables of the receiver that have no value; empty if it can be used."""
    return tuple(name for name in receiver.variables if settings.secret(name) is None)


def secret(settings: Settings, name: str) -> SecretStr:
    """The value of a variable that a receiver names; asked for at the moment of sending."""
    return settings.secret(name) or SecretStr("")
