"""Where OpenLineage events go: a file, one event a line, or the endpoint of a lineage server.

Belongs here: delivery, and what is kept when it fails. Does not: the events (`openlineage`).
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde

from ml_platform.errors import LineageEndpointError
from ml_platform.settings import Settings

_TIMEOUT_SECONDS = 10
_RETRIES = 3


def deliver(events: Sequence[RunEvent], to: str | None, settings: Settings) -> str:
    """What was delivered and where, in one sentence. Without `to` the setting says where; without it, a file in `home`.

    Raises:
        LineageEndpointError: the endpoint does not take the events; those that it did not take are in a file.
    """
    target = to or settings.openlineage_url or str(settings.home / "openlineage" / "events.ndjson")
    if not target.startswith(("http://", "https://")):
        append(events, Path(target))
        return f"{len(events)} events appended to {target}"
    _post(events, target, settings)
    return f"{len(events)} events sent to {target}"


def append(events: Sequence[RunEvent], path: Path) -> None:
    """Add the events to a file, one JSON document a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(f"{Serde.to_json(event)}\n" for event in events)


def _post(events: Sequence[RunEvent], url: str, settings: Settings) -> None:
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider
    from requests import RequestException

    key = settings.openlineage_api_key
    auth = ApiKeyTokenProvider({"apiKey": key.get_secret_value()}) if key else TokenProvider({})
    retry = {
        "total": _RETRIES,
        "backoff_factor": 0.3,
        "status_forcelist": [429, 500, 502, 503, 504],
        "allowed_methods": ["POST"],
    }
    transport = HttpTransport(HttpConfig(url=url, timeout=_TIMEOUT_SECONDS, auth=auth, retry=retry))
    for number, event in enumerate(events):
        try:
            transport.emit(event)
        except RequestException as error:
            raise _refused(events[number:], len(events), url, error, settings) from error
    transport.close()


def _refused(
    left: Sequence[RunEvent], total: int, url: str, error: Exception, settings: Settings
) -> LineageEndpointError:
    kept = settings.home / "openlineage" / f"unsent-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S%f}.ndjson"
    append(left, kept)
    return LineageEndpointError(
        f"{url} did not take {len(left)} of {total} OpenLineage events",
        expected="an answer 2xx to POST /api/v1/lineage",
        got=str(error),
        kept=f"The events that it did not take are in {kept}.",
        remedy="Correct ML_PLATFORM_OPENLINEAGE_URL (or --to) and ML_PLATFORM_OPENLINEAGE_API_KEY, or start the "
        "server; then send the same runs again: events have the same ids each time.",
    )
