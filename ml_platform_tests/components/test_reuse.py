"""What a partition of a table follows from, on the feature function of the flights use case."""

import inspect
from pathlib import Path

import pytest

from ml_platform.components.reuse import Recipe
from ml_platform.lineage import code, environment
from ml_platform.use_cases.flights import features

SOURCE = Path(features.__file__).read_text()
MINUTES = "OVERDUE_FOR_AT_MOST = "


def recipe_of(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **config: int) -> Recipe:
    """The recipe of `delay_features` if `features.py` read `text`."""
    copy, find = folder / "features.py", inspect.unwrap(code._file)
    copy.write_text(text)
    with monkeypatch.context() as patched:
        patched.setattr(code, "_file", lambda name: copy if name == features.__name__ else find(name))
        for cached in (code._parsed, code._mentioned, code._hash):
            cached.cache_clear()
        found = Recipe.of(features.delay_features, **config)
    for cached in (code._parsed, code._mentioned, code._hash):
        cached.cache_clear()
    return found


def test_a_line_of_a_use_case_counts_and_a_comment_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MINUTES in SOURCE
    before = recipe_of(SOURCE, tmp_path, monkeypatch)
    assert recipe_of(SOURCE.replace(MINUTES, f"{MINUTES}2 * "), tmp_path, monkeypatch).code != before.code
    assert recipe_of(SOURCE.replace(MINUTES, f"# how long\n{MINUTES}"), tmp_path, monkeypatch).code == before.code


def test_content_configuration_and_packages_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (recipe_of(SOURCE, tmp_path, monkeypatch, look_back=days) for days in (30, 31))
    found = {one.made_from({"2013-01-01": content})["2013-01-01"] for content in ("a", "b")}
    found |= set(other.made_from({"2013-01-01": "a"}).values())
    version_of = environment.version_of
    monkeypatch.setattr(environment, "version_of", lambda name: "9.9" if name == "polars" else version_of(name))
    found |= set(one.made_from({"2013-01-01": "a"}).values())
    assert len(found) == 4
