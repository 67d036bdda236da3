"""What counts as a change of code: written into a small project, and hashed again."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_platform.lineage import code
from ml_platform.lineage.checkout import Checkout
from ml_platform.lineage.code import ReachedCode, reached_code

MAIN = """
from toys.helper import twice
from toys import limits
from toys.fields import Limits

def feature(rows, within: Limits):
    from toys.late import shift
    return shift(twice(rows)) + limits.LOWEST

def unrelated():
    return 1
"""
HELPER = """
import polars
from toys.errors import Refused

def twice(rows):
    '''Twice the rows.'''
    # doubled
    if not rows:
        raise Refused("no rows")
    return polars.concat([rows, rows])

def never_called():
    return 0
"""
FIELDS = """
from toys.declared import field

class Limits:
    low: int = field(default=1, description="The lowest.")
"""
PROJECT = {
    "__init__": "",
    "main": MAIN,
    "helper": HELPER,
    "limits": "LOWEST = 1\nHIGHEST = 9\n",
    "late": "def shift(rows):\n    return rows\n",
    "fields": FIELDS,
    "errors": "class Refused(Exception):\n    pass\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ReachedCode]:
    """What `toys.main:feature` reaches, after some modules of the project were changed."""

    def reached(**changed: str) -> ReachedCode:
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}" / "toys"
        folder.mkdir(parents=True)
        for name, text in {**PROJECT, **changed}.items():
            (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(folder.parent)
        for cached in (code._file, code._parsed, code._mentioned, code._hash):
            cached.cache_clear()
        return reached_code("toys.main:feature")

    return reached


def test_names_are_followed_through_the_modules_of_the_project(project: Callable[..., ReachedCode]) -> None:
    found = project()
    assert {"toys.main:feature", "toys.helper:twice", "toys.limits:LOWEST", "toys.late:shift"} <= set(found.definitions)
    assert not [name for name in found.definitions if name.endswith(("unrelated", "never_called", "HIGHEST"))]
    assert found.packages == {"polars"}
    assert "toys" not in sys.modules, "nothing is imported to find it"


CHANGES = {
    "a line of what is called": ("helper", HELPER.replace("[rows, rows]", "[rows]")),
    "a line of what is imported late": ("late", "def shift(rows):\n    return rows + 1\n"),
    "a constant": ("limits", "LOWEST = 2\nHIGHEST = 9\n"),
    "what a module does when it is imported": ("limits", "LOWEST = 1\nprint('hello')\n"),
    "the default of a field": ("fields", FIELDS.replace("default=1", "default=2")),
    "which error is raised": ("helper", HELPER.replace('Refused("no rows")', "ValueError('no rows')")),
}
NO_CHANGES = {
    "layout": ("main", MAIN.replace("shift(twice(rows))", "shift(\n        twice(\n            rows))")),
    "comments": ("helper", HELPER.replace("# doubled", "# two of each")),
    "docstrings": ("helper", HELPER.replace("Twice the rows", "Each row, two times")),
    "a new docstring": ("late", "def shift(rows):\n    '''Shifted.'''\n    return rows\n"),
    "the text of an error": ("helper", HELPER.replace("no rows", "nothing came")),
    "the description of a field": ("fields", FIELDS.replace("The lowest", "Where it begins")),
    "what nobody calls": ("helper", HELPER.replace("return 0", "return 1")),
    "its neighbour": ("main", MAIN.replace("return 1", "return 2")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_can_be_felt_is_another_code(project: Callable[..., ReachedCode], change: str) -> None:
    module, text = CHANGES[change]
    assert project().fingerprint != project(**{module: text}).fingerprint


@pytest.mark.parametrize("change", NO_CHANGES)
def test_what_cannot_be_felt_is_the_same_code(project: Callable[..., ReachedCode], change: str) -> None:
    module, text = NO_CHANGES[change]
    assert text != PROJECT[module]
    assert project().fingerprint == project(**{module: text}).fingerprint


def test_modules_that_are_known_otherwise_do_not_count() -> None:
    whole = reached_code("ml_platform.training.training_set:read_rows").definitions
    without = reached_code("ml_platform.training.training_set:read_rows", apart_from=["ml_platform.storage"])
    assert any(name.startswith("ml_platform.storage") for name in whole)
    assert not any(name.startswith("ml_platform.storage") for name in without.definitions)
    assert not any(name.startswith(("ml_platform.errors", "ml_platform.settings")) for name in whole)


def test_a_method_counts_with_its_class() -> None:
    assert "ml_platform.lineage.checkout:Checkout" in reached_code(Checkout.__str__).definitions


def test_what_has_no_name_is_refused() -> None:
    with pytest.raises(TypeError, match="has no name to find its code by"):
        reached_code(42)  # type: ignore[arg-type]
