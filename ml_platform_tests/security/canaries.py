"""Secrets that are to be found nowhere, and a search for them.

Belongs here: the values, every form that a library may write them in, and where one turned up. Does not: what is run
with them (`everything`).
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

OBJECTS_KEY, OBJECTS_SECRET = "CANARYKEYOFOBJECTS", "canary-of-objects"
REFUSED_KEY, REFUSED_SECRET = "CANARYKEYTHATISREFUSED", "canary-of-refused-objects"
ROLE = "canary"
"""The user of every login here; no secret."""
DATABASE, REFUSED, TRACKING = "canary of:the/d@tabase", "canary-that-is-wrong", "canary-of-mlflow"
SLACK, PAGER, HOOK, MAIL = "canary-of-slack", "canary-of-the-pager", "canary-of-the-hook", "canary-of-the-mail"
TOKEN, LINEAGE, BROKER = "canary-of-the-service", "canary-of-openlineage", "canary of:the/broker"
CANARIES: tuple[str, ...] = (
    OBJECTS_KEY, OBJECTS_SECRET, REFUSED_KEY, REFUSED_SECRET, DATABASE, REFUSED, TRACKING,
    SLACK, PAGER, HOOK, MAIL, TOKEN, LINEAGE, BROKER,
)  # fmt: skip


def forms(secret: str) -> tuple[bytes, ...]:
    """The secret as it is, as a part of a URL, and as a login of the basic scheme."""
    logins = (base64.b64encode(f"{ROLE}:{secret}".encode()), base64.b64encode(secret.encode()))
    return (secret.encode(), quote(secret, safe="").encode(), *logins)


def found_in(what: str, data: bytes) -> list[str]:
    """One line for each secret in `data`, with what is around it."""
    places = [(secret, data.find(form)) for secret in CANARIES for form in forms(secret)]
    return [f"{what}: {secret} in {data[max(0, at - 80) : at + 60]!r}" for secret, at in places if at >= 0]


def found_below(folder: Path) -> list[str]:
    """The same of every file below the folder, their names included."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = found_in("a name", "\n".join(map(str, files)).encode())
    return names + [line for path in files for line in found_in(path.name, path.read_bytes())]


def alerts_file(folder: Path) -> Path:
    """A route to one receiver of each kind, none of which answers."""
    path = folder / "alerts.yaml"
    path.write_text(
        """receivers:
  - {name: pager, type: pagerduty, routing_key_from: CANARY_PAGER, url: "http://127.0.0.1:1"}
  - {name: channel, type: slack, url_from: CANARY_SLACK}
  - {name: hook, type: webhook, url_from: CANARY_HOOK, secret_from: CANARY_HOOK_SECRET}
  - {name: mail, type: email, host_from: CANARY_HOST, port: 1, user_from: CANARY_USER, password_from: CANARY_MAIL,
     sender: a@example.com, to: [b@example.com]}
routes:
  - {name: all, receivers: [pager, channel, hook, mail]}
"""
    )
    return path


def environment(home: Path, answers: Mapping[str, str], refuses: Mapping[str, str]) -> dict[str, str]:
    """What a process is told: secrets in every setting that can hold one, and the places that answer and refuse."""
    return {
        "ML_PLATFORM_HOME": str(home),
        "ML_PLATFORM_ALERT_ROUTES": str(alerts_file(home.parent)),
        "ML_PLATFORM_SERVE_TOKEN": TOKEN,
        "ML_PLATFORM_OPENLINEAGE_URL": "http://127.0.0.1:1",
        "ML_PLATFORM_OPENLINEAGE_API_KEY": LINEAGE,
        "CANARY_PAGER": PAGER,
        "CANARY_SLACK": f"http://127.0.0.1:1/services/{SLACK}",
        "CANARY_HOOK": f"http://127.0.0.1:1/hook?key={HOOK}",
        "CANARY_HOOK_SECRET": HOOK,
        "CANARY_HOST": "127.0.0.1",
        "CANARY_USER": ROLE,
        "CANARY_MAIL": MAIL,
        "ML_PLATFORM_S3_ACCESS_KEY_ID": OBJECTS_KEY,
        "ML_PLATFORM_S3_SECRET_ACCESS_KEY": OBJECTS_SECRET,
        "ML_PLATFORM_S3_RETRY_SECONDS": "0",
        "ML_PLATFORM_STEP_RETRIES": "1",
        "ML_PLATFORM_RETRY_FIRST_SECONDS": "0",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "PYTHONWARNINGS": "ignore",
        **answers,
        **{f"REFUSED_{name}": value for name, value in refuses.items()},
    }


def login(secret: str, host: str) -> str:
    """User, password and host as a URL has them."""
    return f"{ROLE}:{quote(secret, safe='')}@{host}"
