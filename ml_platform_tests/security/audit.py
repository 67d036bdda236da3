"""`python -m ml_platform_tests.security.audit`: known vulnerabilities of what constraints.txt pins, for `make check`.

Advisories come from the package index that pip-audit asks, where it has them. An index without them answers that there
is none, so it is first asked about a release that is known to be vulnerable: only one that knows it is believed.

Belongs here: what an audit means for the check. Does not: the asking (pip-audit).
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ml_platform.settings import PROJECT_ROOT

KNOWN_TO_BE_VULNERABLE = "jinja2==2.10"
ACCEPTED: Mapping[str, str] = {}
"""Advisories that do not concern this platform: id, and why not."""
_TIMEOUT_SECONDS = 300


class Vulnerability(NamedTuple):
    """One advisory about a pinned release, and the releases that mend it."""

    release: str
    advisory: str
    mended_in: tuple[str, ...]


class Audit(NamedTuple):
    """What is known of some releases: vulnerabilities, and how many were looked up. None looked up: nobody knows."""

    found: tuple[Vulnerability, ...]
    looked_up: int


def main() -> int:
    """Exit code of the check: 1 only for a vulnerability that is known and not accepted."""
    if not asked([KNOWN_TO_BE_VULNERABLE]).found:
        return told("audit: no advisories can be had here, so nothing is known of the pinned packages", 0)
    audit = asked(pins(PROJECT_ROOT / "constraints.txt"))
    wrong = [each for each in audit.found if each.advisory not in ACCEPTED]
    for each in wrong:
        told(f"audit: {each.release} has {each.advisory}; mended in {', '.join(each.mended_in) or 'no release'}", 1)
    return 1 if wrong else told(f"audit: {audit.looked_up} packages, no known vulnerability", 0)


def pins(path: Path) -> list[str]:
    """The lines that pin a release."""
    return [line.strip() for line in path.read_text().splitlines() if "==" in line and not line.startswith("#")]


def asked(releases: Sequence[str]) -> Audit:
    """What the index knows of the releases; nothing if it cannot be asked."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(releases))
        file.flush()
        command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "-r", file.name, "-f", "json"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return Audit((), 0)
    return read(done.stdout)


def read(answer: bytes) -> Audit:
    """What pip-audit's JSON says; no JSON is no answer."""
    try:
        packages = json.loads(answer)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        return Audit((), 0)
    known = [each for each in packages if "skip_reason" not in each]
    found = (
        Vulnerability(f"{each['name']}=={each['version']}", vuln["id"], tuple(vuln["fix_versions"]))
        for each in known
        for vuln in each["vulns"]
    )
    return Audit(tuple(found), len(known))


def told(line: str, code: int) -> int:
    """Print the line, and pass the code on."""
    sys.stdout.write(f"{line}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
