"""Whether everything that the settings name can be used from here, and what to do where it cannot.

Belongs here: one look at each connection. Does not: how the use cases are (`look`), or what is printed.
"""

import shutil
import sqlite3
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import sqlalchemy as db

from ml_platform.errors import PlatformError, RegistryUnreachableError, SettingsError, StorageFullError
from ml_platform.operations.doctor_engine import look_at_broker, look_at_workers
from ml_platform.recovery.alerts.routes import load_routes, not_set
from ml_platform.settings import Settings, without_password
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.probe import require_readable, require_store, require_tables

State = Literal["fine", "not set up", "wrong"]
LEAST_FREE_BYTES = 2 * 10**9
"""What the demonstration writes, twice."""
MOST_SKEW_SECONDS = 60.0
"""S3 refuses requests whose clock is 15 minutes off; times of events are compared long before."""
_TIMEOUT_SECONDS = 10


class Finding(NamedTuple):
    """What was found of one part of the platform."""

    part: str
    state: State
    what: str
    remedy: str = ""


def examine(settings: Settings, *, reads_only: bool = False) -> Iterator[Finding]:
    """Each part in turn; one that is wrong keeps no other from being looked at.

    With `reads_only` what the online service uses, with credentials that may do no more than it does.
    """
    location = StorageLocation.of(settings)
    yield tried("home", partial(_home, settings.home))
    if reads_only:
        yield tried("tables", lambda: require_readable(location.objects(settings.data_uri)))
        yield tried("artifacts", lambda: require_readable(location.artifacts()))
        return
    yield tried("landing zone", lambda: require_store(location.landing()))
    yield tried("tables", partial(require_tables, settings))
    yield tried("artifacts", lambda: require_store(location.artifacts()))
    yield tried("history of runs", partial(_history, settings))
    yield tried("MLflow", partial(_mlflow, settings))
    yield tried("broker", partial(look_at_broker, settings))
    yield tried("workers", partial(look_at_workers, settings))
    yield from _alerts(settings)
    for url in filter(None, (settings.s3_endpoint_url, settings.mlflow_tracking_uri)):
        if url.startswith("http"):
            yield tried("clock", partial(_clock, url))


def tried(part: str, look: Callable[[], str]) -> Finding:
    """What a look finds; what it raises is what is wrong."""
    try:
        return Finding(part, "fine", look())
    except PlatformError as error:
        got = f" Got {error.got}." if error.got else ""
        return Finding(part, "wrong", f"{error.what.rstrip('.')}.{got}", error.remedy)
    except OSError as error:
        return Finding(part, "wrong", str(error))


def _home(home: Path) -> str:
    """Room, and the right to write."""
    standing = next(folder for folder in (home.resolve(), *home.resolve().parents) if folder.exists())
    probe = standing / ".doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SettingsError(
            f"{standing} cannot be written to", got=str(error), remedy="Set ML_PLATFORM_HOME to a folder of yours."
        ) from error
    free = shutil.disk_usage(standing).free
    if free < LEAST_FREE_BYTES:
        raise StorageFullError(
            f"There is little room below {home}",
            got=f"{free / 1e9:.1f} GB",
            remedy=f"Make room, at least {LEAST_FREE_BYTES / 1e9:.0f} GB, or set ML_PLATFORM_HOME to another disk.",
        )
    return f"{home}, {free / 1e9:.0f} GB free"


def _history(settings: Settings) -> str:
    """That Dagster's tables can be made and used, and that there are connections left."""
    if settings.database_url is None:
        return f"SQLite, below {settings.home}"
    engine = db.create_engine(
        settings.database_url.get_secret_value(), connect_args={"connect_timeout": _TIMEOUT_SECONDS}
    )
    try:
        with engine.connect() as connection:
            number, most, used, may_create = connection.execute(db.text(_OF_POSTGRES)).one()
            is_encrypted = connection.connection.dbapi_connection.info.ssl_in_use  # type: ignore[union-attr]
    except db.exc.DBAPIError as error:
        raise SettingsError(
            "The database of ML_PLATFORM_DATABASE_URL cannot be used",
            got=str(error.orig).strip().partition("\n")[0],
            remedy="Start it, or correct host, port, user, password and name in ML_PLATFORM_DATABASE_URL.",
        ) from error
    finally:
        engine.dispose()
    if not may_create:
        raise SettingsError(
            "The user of ML_PLATFORM_DATABASE_URL may not make tables",
            remedy="GRANT CREATE, USAGE ON SCHEMA public to it.",
        )
    return f"PostgreSQL {number} {'by TLS' if is_encrypted else 'without TLS'}, {used} of {most} connections in use"


_OF_POSTGRES = """SELECT current_setting('server_version'), current_setting('max_connections'),
(SELECT count(*) FROM pg_stat_activity), has_schema_privilege(current_schema(), 'CREATE')"""


def _mlflow(settings: Settings) -> str:
    """That it answers, is of the version that is spoken here, and lets the settings' user in."""
    uri = settings.mlflow_tracking_uri
    if uri.startswith("sqlite:///"):
        return _mlflow_file(Path(uri.removeprefix("sqlite:///")))
    if not uri.startswith("http"):
        return f"{uri.partition('://')[0]}, as MLflow itself reaches it: not looked at"
    remedy = "Start it, or set ML_PLATFORM_MLFLOW_TRACKING_URI to the server in use."
    try:
        answer = _get(f"{uri.rstrip('/')}/version", _login(settings))
    except (urllib.error.URLError, OSError) as error:
        raise RegistryUnreachableError(f"MLflow does not answer at {uri}", got=str(error), remedy=remedy) from error
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise RegistryUnreachableError(
            f"MLflow at {uri} does not let this user in",
            got=f"HTTP {answer.status}",
            remedy="Set ML_PLATFORM_MLFLOW_USERNAME and ML_PLATFORM_MLFLOW_PASSWORD to a user of that server.",
        )
    found, spoken = answer.body.decode(), version("mlflow")
    if found.split(".")[:2] != spoken.split(".")[:2]:
        raise RegistryUnreachableError(
            f"MLflow at {uri} is of another version",
            got=found,
            remedy=f"Run a server of version {spoken}, which constraints.txt has.",
        )
    return f"server {found} at {uri}"


def _login(settings: Settings) -> dict[str, str]:
    if not (settings.mlflow_username and settings.mlflow_password):
        return {}
    login = f"{settings.mlflow_username}:{settings.mlflow_password.get_secret_value()}"
    return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def _mlflow_file(path: Path) -> str:
    if not path.exists():
        return f"{path}, which the first training makes"
    try:
        with sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=_TIMEOUT_SECONDS) as connection:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        raise RegistryUnreachableError(
            f"MLflow's file {path} cannot be used", got=said, remedy="Restore it, or move it away to begin anew."
        )
    return str(path)


def _alerts(settings: Settings) -> Iterator[Finding]:
    """Each receiver, as far as can be seen without sending anything."""
    try:
        routes = load_routes(settings.alert_routes)
    except PlatformError as error:
        yield Finding("alerts", "wrong", error.what, error.remedy)
        return
    for receiver in routes.receivers:
        missing = not_set(receiver, settings)
        if missing:
            what = f"{receiver.type}: {', '.join(missing)} not set."
            yield Finding(f"alerts to {receiver.name}", "not set up", what, "Set it where alerts are to go there.")
        else:
            yield Finding(f"alerts to {receiver.name}", "fine", f"{receiver.type}; `ml-platform alerts test` tries it")


def _clock(url: str) -> str:
    """How far this machine's clock is from a server's."""
    server = without_password(url)
    try:
        told = _get(url).date
    except (urllib.error.URLError, OSError):
        return f"{server} does not answer, so nothing is known"
    if told is None:
        return f"{server} tells no time, so nothing is known"
    skew = (datetime.now(UTC) - parsedate_to_datetime(told)).total_seconds()
    if abs(skew) > MOST_SKEW_SECONDS:
        raise SettingsError(
            f"The clocks of this machine and of {server} differ",
            got=f"{skew:+.0f} seconds",
            remedy="Set both by NTP: S3 refuses requests whose clock is wrong.",
        )
    return f"{abs(skew):.0f} s from that of {server}"


class _Answer(NamedTuple):
    """What a server says, also where it refuses."""

    status: int
    body: bytes
    date: str | None


def _get(url: str, headers: Mapping[str, str] = MappingProxyType({})) -> _Answer:
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - of the settings
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - of the settings
            return _Answer(response.status, response.read(), response.headers.get("Date"))
    except urllib.error.HTTPError as refused:
        return _Answer(refused.code, b"", refused.headers.get("Date"))
