"""Fingerprints: one hash for everything that a result follows from."""

import ast
import datetime as dt
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
import platform
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from enum import Enum
from functools import cache
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

from pydantic import BaseModel

WITHOUT_EFFECT = ("ml_platform.errors", "ml_platform.settings")
PACKAGES_THAT_MATTER = ("dataframely", "deltalake", "numpy", "optuna", "polars", "scikit-learn", "scipy", "skops")


def fingerprint(**parts: Any) -> str:
    """Sha256 (hex) of named parts: scalars, dates, None, enums, models, and mappings, sequences and sets of these.

    Types count (1, 1.0, "1" and True all differ), and so does the order of a sequence; the order of names, of a mapping
    and of a set does not.

    Raises:
        TypeError: a part is of a kind that has no canonical form.
    """
    canonical = json.dumps(_tagged(parts), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def code_fingerprint(*sources: Callable[..., Any] | type | ModuleType) -> str:
    """Sha256 (hex) of what functions, classes or modules do; comments, docstrings and layout do not count."""
    return fingerprint(sources=[_syntax(source) for source in sources])


def project_fingerprint(*sources: Callable[..., Any] | type | ModuleType) -> str:
    """Sha256 (hex) of the project's code that `sources` can reach: their modules, and all project code these import.

    Wider than what they call, so that no change is missed; the texts of errors and the settings do not count. What is
    imported late counts whether it has been imported yet or not.
    """
    modules = {inspect.unwrap(source).__module__ if callable(source) else source.__name__ for source in sources}
    return fingerprint(modules={name: _module_fingerprint(name) for name in project_modules(modules)})


def project_modules(names: Iterable[str]) -> list[str]:
    """The modules `names` and those of their own top-level package that they import, directly or not."""
    reached: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= {found for found in _imported(name) if found not in reached and found not in WITHOUT_EFFECT}
    return sorted(reached)


def environment_fingerprint() -> str:
    """Sha256 (hex) of the versions of Python and of the installed packages that results depend on."""
    return fingerprint(python=platform.python_version(), packages=environment_versions())


def environment_versions() -> dict[str, str]:
    """Installed version by package, of those that results depend on."""
    installed = {name: _version_of(name) for name in PACKAGES_THAT_MATTER}
    return {name: version for name, version in installed.items() if version}


@cache
def _module_fingerprint(name: str) -> str:
    return fingerprint(syntax=_without_docstrings(ast.parse(_module_source(name) or "")))


@cache
def _imported(name: str) -> frozenset[str]:
    """Names of the modules of the same top-level package that `name` imports, at the top or inside functions."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(_module_source(name) or "")):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    package = name.partition(".")[0]
    return frozenset(each for each in named if each.partition(".")[0] == package and _module_source(each) is not None)


@cache
def _module_source(name: str) -> str | None:
    """Source of a module, found without importing it; None where there is no module of that name."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # an attribute of a module, imported from it
        return None
    return Path(spec.origin).read_text() if spec and spec.origin and spec.origin.endswith(".py") else None


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _tagged(value: Any) -> list[Any]:
    if isinstance(value, Enum):
        return ["enum", type(value).__qualname__, value.name]
    if value is None or isinstance(value, bool | int | str):
        return [type(value).__name__, value]
    if isinstance(value, float):
        return ["float", float.hex(value + 0.0)]
    if isinstance(value, bytes | dt.date | dt.time | dt.timedelta | PurePath):
        return [type(value).__name__, _text(value)]
    return _tagged_collection(value)


def _tagged_collection(value: Any) -> list[Any]:
    if isinstance(value, BaseModel):
        return ["model", type(value).__qualname__, _tagged(dict(value))]
    if isinstance(value, Mapping):
        return ["mapping", sorted(([_tagged(key), _tagged(item)] for key, item in value.items()), key=json.dumps)]
    if isinstance(value, Set):
        return ["set", sorted((_tagged(item) for item in value), key=json.dumps)]
    if isinstance(value, Sequence):
        return ["sequence", [_tagged(item) for item in value]]
    raise TypeError(f"{type(value).__qualname__} has no canonical form; give its fields or its own hash instead")


def _text(value: bytes | dt.date | dt.time | dt.timedelta | PurePath) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.timedelta):
        return str(value // dt.timedelta(microseconds=1))
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def _syntax(source: Callable[..., Any] | type | ModuleType) -> str:
    text = inspect.getsource(inspect.unwrap(source) if callable(source) else source)
    return _without_docstrings(ast.parse(textwrap.dedent(text)))


def _without_docstrings(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _has_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None
