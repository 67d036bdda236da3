"""The checkout that the running code comes from: its commit, and whether anything was changed since.

Belongs here: asking git. Does not: what the code does (`code`), which counts even where there is no git.
"""

import shutil
import subprocess
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.settings import PROJECT_ROOT

GIT_SECONDS = 30


class Checkout(BaseModel):
    """Which commit the code is; unknown for code that was installed without git."""

    model_config = ConfigDict(frozen=True)

    commit: str | None = Field(description="The commit, 40 hexadecimal digits; null if unknown.")
    is_clean: bool | None = Field(description="Whether the code was exactly that of the commit; null if unknown.")

    def __str__(self) -> str:
        """As people say it."""
        if self.commit is None:
            return "unknown (no git)"
        return self.commit[:12] + ("" if self.is_clean else " with uncommitted changes")


def this_checkout(root: Path = PROJECT_ROOT) -> Checkout:
    """The checkout at `root`."""
    commit = git(root, "rev-parse", "HEAD") if (root / ".git").exists() else None
    if commit is None:
        return Checkout(commit=None, is_clean=None)
    changed = git(root, "status", "--porcelain", "--", "*.py", "*.yaml")
    return Checkout(commit=commit, is_clean=None if changed is None else not changed)


def git(root: Path, *arguments: str) -> str | None:
    """What git answers in `root`; None if there is no git, or it refuses."""
    program = shutil.which("git")
    if program is None:
        return None
    command = [program, "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
