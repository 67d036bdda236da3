"""A plugin of pytest that records which tests passed on which code: `pytest -p ml_platform_tests.recording`.

`ml-platform score` reads the record, and takes it for stale once a line of the code has changed.
"""

import datetime as dt

import pytest

from ml_platform.lineage.checkout import this_checkout
from ml_platform.provenance.tested import TESTS_RECORD, RecordedTests, code_hash

CODE = pytest.StashKey[str]()
OUTCOMES = pytest.StashKey[dict[str, bool]]()
_SESSIONS: list[pytest.Config] = []


def pytest_configure(config: pytest.Config) -> None:
    """Note the code that is going to be tested; workers of xdist leave that to the process that started them."""
    if not hasattr(config, "workerinput"):
        config.stash[CODE], config.stash[OUTCOMES] = code_hash(), {}
        _SESSIONS.append(config)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a test, or one of its fixtures, went."""
    for config in _SESSIONS:
        outcomes = config.stash[OUTCOMES]
        if report.failed or (report.when == "call" and report.passed):
            outcomes[report.nodeid] = outcomes.get(report.nodeid, True) and report.passed


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the record, unless the code was changed under the tests."""
    config = session.config
    if CODE not in config.stash or code_hash() != config.stash[CODE]:
        return
    outcomes = config.stash[OUTCOMES]
    record = RecordedTests(
        code=config.stash[CODE],
        checkout=this_checkout(),
        finished_at=dt.datetime.now(dt.UTC),
        passed=tuple(sorted(name for name, passed in outcomes.items() if passed)),
        failed=tuple(sorted(name for name, passed in outcomes.items() if not passed)),
    )
    TESTS_RECORD.parent.mkdir(exist_ok=True)
    TESTS_RECORD.write_text(record.model_dump_json(indent=1))
