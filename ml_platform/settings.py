"""Settings: the only reader of the environment.

Every value has a default that works on one machine; `ML_PLATFORM_<NAME>` overrides it. Secrets are `SecretStr`, so that
no repr, log line or error message shows them. Nothing is created and nothing is contacted here.
"""

import os
import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ml_platform.errors import SettingsError

PROJECT_ROOT = Path(__file__).resolve().parents[1]
RETRY_FIRST_PAUSE_SECONDS, RETRY_LONGEST_PAUSE_SECONDS = 0.1, 1.0
SensorKind = Literal[
    "landing",
    "changes",
    "roots",
    "training",
    "promotion",
    "predictions",
    "quality",
    "sinks",
    "drift",
    "recompute",
    "recovery",
    "schedules",
]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
"""Environment variable that a file of the team names, instead of the secret that it holds."""

_PASSWORD = re.compile(r"(://[^:/@]*):.*@")  # rather too much than a part of a password with a slash in it
_MOST_RETRIES = 100  # time is the limit: `s3_retry_seconds`


class Settings(BaseSettings):
    """Where things live and how much of the machine may be used."""

    model_config = SettingsConfigDict(env_prefix="ML_PLATFORM_", frozen=True, extra="forbid")

    home: Path = Field(PROJECT_ROOT / ".ml_platform", description="Folder of all local state; `make clean` removes it.")
    data_uri: str = Field("", description="Prefix of the tables, `file://` or `s3://`; `<home>/lake` unless set.")
    landing_uri: str = Field("", description="Prefix where upstreams drop objects; `<home>/landing` unless set.")
    export_uri: str = Field("", description="Prefix where predictions are exported; `<home>/exports` unless set.")
    artifact_uri: str = Field(
        "", description="Prefix of models, checkpoints and reports; `<home>/artifacts` unless set."
    )
    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL database of Dagster's history, as `postgresql://user:password@host:port/name`; SQLite "
        "files in `home` unless set.",
    )
    celery_broker_url: SecretStr | None = Field(
        None,
        description="RabbitMQ by which steps go to workers, as `amqp://user:password@host:port//`; steps are processes "
        "of the machine that their run is on unless set.",
    )
    mlflow_tracking_uri: str = Field(
        "",
        repr=False,
        description="MLflow store, `http(s)://` or `postgresql+psycopg2://`; a SQLite file in `home` unless set. User "
        "and password of a server that stand in it count as the next two.",
    )
    mlflow_username: str | None = Field(None, description="User at an MLflow server that asks who is there.")
    mlflow_password: SecretStr | None = Field(None, description="That user's password.")

    s3_endpoint_url: str | None = Field(None, description="Endpoint of an S3-compatible server; AWS itself when unset.")
    s3_access_key_id: SecretStr | None = Field(None, description="S3 access key id.")
    s3_secret_access_key: SecretStr | None = Field(None, description="S3 secret access key.")
    s3_region: str = Field("us-east-1", description="S3 region.")
    s3_connect_timeout_seconds: float = Field(3.0, gt=0, description="How long a connection to S3 may take.")
    s3_read_timeout_seconds: float = Field(6.0, gt=0, description="How long S3 may stay silent within a request.")
    s3_retry_seconds: float = Field(
        8.0, ge=0, description="How long what S3 did not do is tried again, if it may pass: no answer, or a 5xx."
    )

    openlineage_url: str = Field(
        "", description="Where OpenLineage events are sent, as `http://host:port`; unset, they go to a file."
    )
    openlineage_api_key: SecretStr | None = Field(None, description="Bearer token for `openlineage_url`.")

    use_cases: Path = Field(
        PROJECT_ROOT / "ml_platform" / "use_cases", description="Folder of the use cases, each a folder of its own."
    )
    strict_definitions: bool = Field(
        default_factory=lambda: os.environ.get("DAGSTER_IS_DEFS_VALIDATION_CLI") == "1",
        description="Whether one broken use case keeps a location from loading; set by Dagster while it validates, as "
        "in `make check`. Otherwise the others load, and the broken one is told.",
    )

    alert_routes: Path = Field(
        PROJECT_ROOT / "ml_platform" / "use_cases" / "alerts.yaml", description="File that says who is told of what."
    )
    alert_interval_seconds: int = Field(
        30, ge=1, description="How often the platform looks for what to alert of, and sends what is waiting."
    )
    alert_timeout_seconds: float = Field(10.0, gt=0, description="How long a receiver of alerts may take to answer.")
    dagster_url: str = Field("http://localhost:3000", description="Where the Dagster UI answers, for links to runs.")

    sensors: Annotated[tuple[SensorKind, ...], NoDecode] = Field(
        ("recompute",),
        description="What runs by itself unless switched in the UI, separated by commas, or `all`: "
        f"{', '.join(get_args(SensorKind))}. Unless set, only what has degraded partitions made again; nothing if set "
        "to nothing.",
    )
    recovery_first_seconds: float = Field(
        120.0, ge=0, description="How long after its failure a run is first re-executed by the sensor of kind recovery."
    )
    recovery_longest_seconds: float = Field(
        1_800.0, ge=0, description="Longest such wait; each further one of a run is four times as long until then."
    )

    sensor_interval_seconds: int = Field(
        15,
        ge=1,
        description="How often a sensor that asks for runs looks.",
    )

    step_retries: int = Field(
        5,
        ge=0,
        description="How often a step is tried again after a failure that may pass, or one of too many requests.",
    )
    resource_retries: int = Field(
        2, ge=0, description="How often a step is tried again, in smaller batches, after memory or disk ran out."
    )
    retries_per_run: int = Field(20, ge=0, description="Retries of all steps of one run together; then failures stand.")
    retry_first_seconds: float = Field(
        2.0, ge=0, description="Longest wait before the first retry of a step; each further one may be twice as long."
    )
    retry_longest_seconds: float = Field(60.0, ge=0, description="Longest wait before a retry, if no server asks more.")
    retry_after_longest_seconds: float = Field(
        300.0, ge=0, description="Longest wait that a server may ask for (Retry-After); beyond it the step fails."
    )

    pods: Path | None = Field(
        None,
        description="File with the settings of Dagster's Kubernetes run launcher, which then starts a pod a run; "
        "processes of this machine unless set.",
    )
    max_parallel_steps: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, description="Isolated steps of one run that may run at once."
    )
    step_time_limit_seconds: float | None = Field(
        None, gt=0, description="How long a step at a worker may take; it counts as one whose process was killed then."
    )
    worker_grace_seconds: float = Field(
        20.0, gt=0, description="How long a worker that is asked to end lets its steps go on before it hands them back."
    )
    source_slots: int = Field(4, ge=1, description="Steps of all runs that may read the landing zone at once.")
    training_slots: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Trials and fits of all runs that may run at once.",
    )
    mlflow_slots: int = Field(4, ge=1, description="Steps of all runs that may speak with MLflow at once.")

    serve_token: SecretStr | None = Field(
        None,
        description="Token that requests to the online service carry; it listens beyond this machine only with one.",
    )
    serve_days: int = Field(
        14, ge=1, description="Of how many days, up to the newest that is published, the online service answers for."
    )
    serve_follow_seconds: float = Field(
        2.0, gt=0, description="How often the online service looks for another champion and for new days."
    )
    serve_threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Requests that the online service works on at once.",
    )
    serve_most_waiting: int = Field(
        64,
        ge=1,
        description="Requests that may be worked on or wait at the online service; one more is told to come again.",
    )
    serve_most_rows: int = Field(10_000, ge=1, description="Rows of one request to the online service.")
    serve_most_body_bytes: int = Field(8_000_000, ge=1_000, description="Bytes of one request to the online service.")
    serve_timeout_seconds: float = Field(
        10.0, gt=0, description="How long a request to the online service may take to arrive, and then to be answered."
    )
    serve_log_seconds: float = Field(60.0, gt=0, description="How often what was served is written to its table.")

    @field_validator("sensors", mode="before")
    @classmethod
    def sensors_are_known(cls, value: object) -> object:
        """The kinds that the text names.

        Raises:
            SettingsError: it names one that there is not.
        """
        if not isinstance(value, str):
            return value
        known: tuple[SensorKind, ...] = get_args(SensorKind)
        kinds = [kind.strip() for kind in value.split(",") if kind.strip()]
        if kinds == ["all"]:
            return known
        if unknown := sorted(set(kinds) - set(known)):
            raise SettingsError(
                "ML_PLATFORM_SENSORS names what is no kind of sensor.",
                expected=f"any of {', '.join(known)}, separated by commas; or all",
                got=", ".join(unknown),
                remedy="Correct it, or unset it: then each is switched on in the UI.",
            )
        return tuple(kinds)

    @field_validator("database_url")
    @classmethod
    def database_is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        """The address with the driver that Dagster's PostgreSQL storage uses; SQLAlchemy would choose another one.

        Raises:
            SettingsError: it is of another kind of database. The address is not told: it has a password.
        """
        if value is None or not value.get_secret_value():
            return None
        scheme, separator, rest = value.get_secret_value().partition("://")
        if scheme not in ("postgresql", "postgres", "postgresql+psycopg2") or not separator:
            raise SettingsError(
                "ML_PLATFORM_DATABASE_URL is not the address of a PostgreSQL database.",
                expected="postgresql://<user>:<password>@<host>:<port>/<name>",
                got=f"{scheme}://..." if separator else "no address",
                remedy="Correct it, or unset it: then the history is kept in SQLite files.",
            )
        return SecretStr(f"postgresql+psycopg2://{rest}")

    @field_validator("s3_endpoint_url")
    @classmethod
    def endpoint_is_a_url(cls, value: str | None) -> str | None:
        """Refuse what would be taken for a path or another protocol later, and far from here.

        Raises:
            SettingsError: it does not begin with http:// or https://.
        """
        if value and not value.startswith(("http://", "https://")):
            raise SettingsError(
                "ML_PLATFORM_S3_ENDPOINT_URL is not the address of a server.",
                expected="http://<host>:<port> or https://<host>",
                got=f"'{value}'",
                remedy="Correct it, or unset it for AWS itself.",
            )
        return value or None

    @model_validator(mode="after")
    def key_and_secret_come_together(self) -> Self:
        """Refuse half of the credentials.

        Raises:
            SettingsError: the key id is set and the secret is not, or the other way round.
        """
        if bool(self.s3_access_key_id) != bool(self.s3_secret_access_key):
            raise SettingsError(
                "Only one of ML_PLATFORM_S3_ACCESS_KEY_ID and ML_PLATFORM_S3_SECRET_ACCESS_KEY is set.",
                remedy="Set both, or neither where this machine has a role of its own.",
            )
        return self

    @model_validator(mode="after")
    def take_login_out_of_address(self) -> Self:
        """Keep a server's address without user and password: it is shown as a link, and handed between processes."""
        parts = urlsplit(self.mlflow_tracking_uri)
        if parts.scheme in ("http", "https") and "@" in parts.netloc:
            login, _, host = parts.netloc.rpartition("@")
            user, _, password = map(unquote, login.partition(":"))
            told = {
                "mlflow_tracking_uri": parts._replace(netloc=host).geturl(),
                "mlflow_username": user,
                "mlflow_password": SecretStr(password),
            }
            for name, value in told.items():
                object.__setattr__(self, name, value)  # the model is frozen for everyone else
        return self

    @model_validator(mode="after")
    def fill_in_locations(self) -> Self:
        """Place what was not set explicitly below `home`."""
        home = self.home.resolve()
        defaults = {
            "data_uri": f"file://{home}/lake",
            "landing_uri": f"file://{home}/landing",
            "artifact_uri": f"file://{home}/artifacts",
            "export_uri": f"file://{home}/exports",
            "mlflow_tracking_uri": f"sqlite:///{home}/mlflow/mlflow.db",
        }
        for name, value in defaults.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)  # the model is frozen for everyone else
        return self

    @cached_property
    def delta_options(self) -> dict[str, str]:
        """Credentials and patience in the form that deltalake takes; empty for local files."""
        if not self.data_uri.startswith("s3://"):
            return {}
        return {
            **self._s3_options,
            "timeout": _duration(self.s3_read_timeout_seconds),  # of a whole request: the log's are short
            "max_retries": str(_MOST_RETRIES),
            "retry_timeout": _duration(self.s3_retry_seconds),
            "backoff_config.init_backoff": _duration(RETRY_FIRST_PAUSE_SECONDS),
            "backoff_config.max_backoff": _duration(RETRY_LONGEST_PAUSE_SECONDS),
            "backoff_config.base": "2",
        }

    @cached_property
    def scan_options(self) -> dict[str, object]:
        """The same in the form that polars takes."""
        if not self.data_uri.startswith("s3://"):
            return {}
        return {
            **self._s3_options,
            "read_timeout": _duration(self.s3_read_timeout_seconds),
            "max_retries": _MOST_RETRIES,
            "retry_timeout_ms": _milliseconds(self.s3_retry_seconds),
            "retry_init_backoff_ms": _milliseconds(RETRY_FIRST_PAUSE_SECONDS),
            "retry_max_backoff_ms": _milliseconds(RETRY_LONGEST_PAUSE_SECONDS),
        }

    def secret(self, name: str) -> SecretStr | None:
        """The value of the environment variable `name`, which a file of the team names; none if it has no value."""
        value = os.environ.get(name, "")
        return SecretStr(value) if value else None

    def fsspec_options(self, uri: str) -> dict[str, object]:
        """The same in the form that fsspec takes for `uri`; `retry_seconds` is for `ObjectStore`, which tries again."""
        if not uri.startswith("s3://"):
            return {}
        return {
            "key": self.s3_access_key_id.get_secret_value() if self.s3_access_key_id else None,
            "secret": self.s3_secret_access_key.get_secret_value() if self.s3_secret_access_key else None,
            "client_kwargs": {"region_name": self.s3_region, "endpoint_url": self.s3_endpoint_url},
            "config_kwargs": {
                "connect_timeout": self.s3_connect_timeout_seconds,
                "read_timeout": self.s3_read_timeout_seconds,
                "retries": {"total_max_attempts": 1, "mode": "standard"},
            },
            "retry_seconds": self.s3_retry_seconds,
        }

    @property
    def _s3_options(self) -> dict[str, str]:
        options = {
            "aws_region": self.s3_region,
            "aws_virtual_hosted_style_request": "false",
            "connect_timeout": _duration(self.s3_connect_timeout_seconds),
        }
        if self.s3_endpoint_url:
            options["aws_endpoint_url"] = self.s3_endpoint_url
            options["aws_allow_http"] = str(self.s3_endpoint_url.startswith("http://")).lower()
        if self.s3_access_key_id and self.s3_secret_access_key:
            options["aws_access_key_id"] = self.s3_access_key_id.get_secret_value()
            options["aws_secret_access_key"] = self.s3_secret_access_key.get_secret_value()
        return options


def without_password(url: str) -> str:
    """The address as it may be told: a password in it is masked."""
    return _PASSWORD.sub(r"\1:***@", url)


def _duration(seconds: float) -> str:
    return f"{_milliseconds(seconds)}ms"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def environment_settings() -> Settings:
    """The settings of this process, read again only after its environment has changed: reading takes milliseconds."""
    return _read(frozenset(item for item in os.environ.items() if item[0].upper().startswith(_READ)))


_READ = ("ML_PLATFORM_", "DAGSTER_IS_DEFS_VALIDATION_CLI")
"""Beginnings of the names that the settings are read from."""


@lru_cache(maxsize=4)
def _read(_: frozenset[tuple[str, str]]) -> Settings:
    return Settings()
