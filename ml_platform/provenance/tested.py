"""Recorded runs of the test suite, and the code that each was of.

Belongs here: the record, which `make test` leaves, and whether it is still of this code. Does not: pytest, whose plugin
writes it (`ml_platform_tests.recording`).
"""

import datetime as dt
import hashlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_platform.lineage.checkout import Checkout
from ml_platform.settings import PROJECT_ROOT

TESTS_RECORD = PROJECT_ROOT / ".ml_platform" / "tests.json"
"""Beside the code that was tested, wherever the platform keeps its tables."""
PACKAGES = ("ml_platform", "ml_platform_tests")
SUFFIXES = (".py", ".yaml")


class RecordedTests(BaseModel):
    """One finished run of tests."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="Hash over every Python and YAML file of the platform and of its tests.")
    checkout: Checkout = Field(description="Where the code was from.")
    finished_at: dt.datetime = Field(description="When it ended (UTC).")
    passed: tuple[str, ...] = Field(description="Tests that passed, as pytest names them.")
    failed: tuple[str, ...] = Field(description="Tests that failed, or whose fixtures did.")

    def passed_in(self, *parts: str) -> list[str]:
        """Tests that passed and have one of `parts` in their name."""
        return [each for each in self.passed if any(part in each for part in parts)]


def read_tested(path: Path = TESTS_RECORD) -> RecordedTests | None:
    """The recorded run; None if there is none, or one of another form."""
    try:
        return RecordedTests.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def code_hash(root: Path = PROJECT_ROOT) -> str:
    """Sha256 (hex) over path and content of all code below `root`: whatever changes, its tests have to run again."""
    digest = hashlib.sha256()
    for path in sorted(_files(root)):
        digest.update(f"{path.relative_to(root)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from (path for path in (root / package).rglob("*") if path.suffix in SUFFIXES and path.is_file())
