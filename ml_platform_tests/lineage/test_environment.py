from pathlib import Path

import pytest

from ml_platform.lineage import environment
from ml_platform.lineage.checkout import git, this_checkout
from ml_platform.lineage.environment import environment_fingerprint, packages_behind, this_environment


def test_packages_are_those_imported_and_those_that_they_require() -> None:
    found = packages_behind(["sklearn", "polars"])
    assert {"scikit-learn", "scipy", "numpy", "polars", "polars-runtime-32"} <= found.keys()
    assert not {"dagster", "mlflow", "typer"} & found.keys()


@pytest.mark.parametrize(("package", "changes"), [("scipy", True), ("typer", False)], ids=["required", "irrelevant"])
def test_another_version_of_what_is_required_is_another_environment(
    monkeypatch: pytest.MonkeyPatch, package: str, changes: bool
) -> None:
    before, version_of = environment_fingerprint(["sklearn"]), environment.version_of
    monkeypatch.setattr(environment, "version_of", lambda name: "9.9" if name == package else version_of(name))
    assert (environment_fingerprint(["sklearn"]) != before) is changes


def test_everything_installed_is_recorded() -> None:
    found = this_environment()
    assert {"dagster", "mlflow", "scikit-learn"} <= found.packages.keys()
    assert found.python.count(".") == 2


def test_a_checkout_is_clean_until_code_changes(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("LOWEST = 1\n")
    for command in (
        ["init", "-q"],
        ["add", "code.py"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"],
    ):
        assert git(tmp_path, *command) is not None
    clean = this_checkout(tmp_path)
    (tmp_path / "notes.txt").write_text("no code")
    assert this_checkout(tmp_path) == clean
    (tmp_path / "code.py").write_text("LOWEST = 2\n")
    assert (clean.is_clean, this_checkout(tmp_path).is_clean) == (True, False)
    assert str(this_checkout(tmp_path)) == f"{clean.commit[:12]} with uncommitted changes"  # type: ignore[index]


def test_code_without_git_says_so(tmp_path: Path) -> None:
    assert str(this_checkout(tmp_path)) == "unknown (no git)"
