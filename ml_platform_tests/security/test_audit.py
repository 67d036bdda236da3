"""An audit says what is vulnerable, and believes no index that knows of nothing."""

import json

import pytest

from ml_platform.settings import PROJECT_ROOT
from ml_platform_tests.security import audit
from ml_platform_tests.security.audit import Audit, Vulnerability, read

VULNERABLE = {"name": "jinja2", "version": "2.10", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.10.1"]}]}
SOUND = {"name": "polars", "version": "2.1.0", "vulns": []}
UNKNOWN = {"name": "polars", "skip_reason": "not found"}
FOUND = Vulnerability("jinja2==2.10", "PYSEC-1", ("2.10.1",))


def answering(monkeypatch: pytest.MonkeyPatch, of_canary: Audit, of_pins: Audit) -> None:
    """An index that knows these."""
    answers = iter([of_canary, of_pins])
    monkeypatch.setattr(audit, "asked", lambda _: next(answers))


def test_an_answer_counts_what_was_looked_up_and_names_what_mends_it() -> None:
    answer = json.dumps({"dependencies": [VULNERABLE, SOUND, UNKNOWN]}).encode()
    assert read(answer) == Audit((FOUND,), 2)
    assert read(b"no route to host") == Audit((), 0)


def test_a_known_vulnerability_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, Audit((FOUND,), 1), Audit((FOUND,), 200))
    assert audit.main() == 1
    assert "jinja2==2.10 has PYSEC-1; mended in 2.10.1" in capsys.readouterr().out


def test_an_index_that_knows_of_no_vulnerability_at_all_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, Audit((), 1), Audit((), 200))
    assert audit.main() == 0
    assert "nothing is known" in capsys.readouterr().out


def test_every_pinned_package_is_asked_about() -> None:
    found = audit.pins(PROJECT_ROOT / "constraints.txt")
    assert len(found) > 150
    assert all(line.count("==") == 1 for line in found)
