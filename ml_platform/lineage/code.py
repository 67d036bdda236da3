"""Code: the definitions of the project that a function, class or module reaches, and one hash over them.

Names are followed, without importing or running anything, from a definition to those it mentions, in its own module and
in the others of the project, wherever they are imported. So a change counts exactly where it can be felt, with three
things left out because no result follows from them: docstrings, comments and layout; what an error says; and the
descriptions of declared fields.

Belongs here: which definitions count. Does not: packages (`environment`) or the hash of values (`fingerprints`).
"""

import ast
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from ml_platform.lineage.fingerprints import fingerprint

Source = Callable[..., object] | type | ModuleType | str
WITHOUT_EFFECT = ("ml_platform.errors", "ml_platform.settings")
ALL, AT_IMPORT = "*", ""
PLATFORM = __name__.partition(".")[0]


class ReachedCode(NamedTuple):
    """Hash of each definition that was reached, by `module:name`, and the other packages that these mention."""

    definitions: Mapping[str, str]
    packages: frozenset[str]

    @property
    def fingerprint(self) -> str:
        """One hash (hex) over all definitions."""
        return fingerprint(definitions=self.definitions)


class _Place(NamedTuple):
    """A definition, all of a module (`*`), or what a module does when it is imported (the empty name)."""

    module: str
    name: str


class _Module(NamedTuple):
    """A module, taken apart: its definitions by name, where its other names come from, and the rest of it."""

    definitions: Mapping[str, list[ast.stmt]]
    imports: Mapping[str, tuple[str, ...]]
    at_import: Sequence[ast.stmt]


def reached_code(*sources: Source, apart_from: Sequence[str] = ()) -> ReachedCode:
    """All project code that `sources` mention, directly or not; a text is `module:name`, and need not be imported yet.

    Args:
        apart_from: Modules and packages whose effect is known otherwise: of a store, say, by the hash of what it holds.

    Raises:
        TypeError: a source has no name to begin from.
    """
    waiting = [_root(source) for source in sources]
    projects = {PLATFORM, *(place.module.partition(".")[0] for place in waiting)}
    ignored = (*WITHOUT_EFFECT, *apart_from)
    seen: set[_Place] = set()
    definitions: dict[str, str] = {}
    packages: set[str] = set()
    while waiting:
        place = waiting.pop()
        top = place.module.partition(".")[0]
        if top not in projects:
            packages.add(top)
        elif place not in seen and not _is_below(place.module, ignored):
            waiting.extend(_mentioned(place))
            if nodes := _nodes(place):
                definitions[f"{place.module}:{place.name}"] = _hash(place, len(nodes))
        seen.add(place)
    return ReachedCode(definitions, frozenset(packages - sys.stdlib_module_names))


def project_fingerprint(*sources: Source, apart_from: Sequence[str] = ()) -> str:
    """Sha256 (hex) of the project's code that `sources` reach."""
    return reached_code(*sources, apart_from=apart_from).fingerprint


def _root(source: Source) -> _Place:
    if isinstance(source, str):
        module, _, name = source.partition(":")
        return _Place(module, name or ALL)
    if isinstance(source, ModuleType):
        return _Place(source.__name__, ALL)
    unwrapped = inspect.unwrap(source)
    name = getattr(unwrapped, "__qualname__", "").partition(".")[0]
    if not name:
        raise TypeError(f"{source!r} has no name to find its code by; give the function that it calls")
    parsed = _parsed(unwrapped.__module__)
    return _Place(unwrapped.__module__, name if parsed and name in parsed.definitions else ALL)


@cache
def _mentioned(place: _Place) -> tuple[_Place, ...]:
    """Where the names lead that the code at `place` mentions."""
    parsed = _parsed(place.module)
    if parsed is None:
        return ()
    if place.name == ALL:
        return tuple(_Place(place.module, name) for name in (*parsed.definitions, AT_IMPORT))
    nodes = _nodes(place)
    if not nodes and place.name in parsed.imports:
        return (_place(place.module, parsed.imports[place.name]),)
    named = [_followed(place.module, parsed, path) for node in nodes for path in _paths(node, place.module)]
    found = [each for each in named if each is not None]
    return (_Place(place.module, AT_IMPORT), *found)


def _nodes(place: _Place) -> Sequence[ast.stmt]:
    parsed = _parsed(place.module)
    if parsed is None:
        return ()
    return parsed.at_import if place.name == AT_IMPORT else parsed.definitions.get(place.name, ())


@cache
def _hash(place: _Place, _statements: int) -> str:
    return fingerprint(syntax=[ast.dump(node) for node in _nodes(place)])


def _followed(module: str, parsed: _Module, path: tuple[str, ...]) -> _Place | None:
    """Where a dotted name leads from inside `module`; an empty first part means that it is a full name already."""
    if path[0] == "":
        return _place(module, path[1:])
    if path[0] in parsed.definitions:
        return _Place(module, path[0])
    return _place(module, (*parsed.imports[path[0]], *path[1:])) if path[0] in parsed.imports else None


def _place(module: str, path: tuple[str, ...]) -> _Place:
    """The definition that a full dotted name means to `module`: the longest module in it, and the name after that."""
    if path[0] not in (PLATFORM, module.partition(".")[0]):
        return _Place(path[0], ALL)  # another package: to look inside would import it
    known = 1
    while known < len(path) and _file(".".join(path[: known + 1])) is not None:
        known += 1
    return _Place(".".join(path[:known]), path[known] if known < len(path) else ALL)


def _paths(node: ast.AST, module: str) -> Iterator[tuple[str, ...]]:
    """Every dotted name in `node`, as far as it is one; what is imported inside comes as a full name."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (("", *full) for full in _imported(node, module).values())
    elif (path := _dotted(node)) is not None:
        yield path
    else:
        for child in ast.iter_child_nodes(node):
            yield from _paths(child, module)


def _dotted(node: ast.AST) -> tuple[str, ...] | None:
    if isinstance(node, ast.Name):
        return None if isinstance(node.ctx, ast.Store) else (node.id,)
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)) is not None:
        return (*before, node.attr)
    return None


def _imported(node: ast.Import | ast.ImportFrom, module: str) -> dict[str, tuple[str, ...]]:
    """Full dotted name by the name that an import binds."""
    if isinstance(node, ast.Import):
        return {
            alias.asname or alias.name.partition(".")[0]: tuple(
                alias.name.split(".") if alias.asname else alias.name.split(".")[:1]
            )
            for alias in node.names
        }
    file = _file(module)
    package = module if file and file.name == "__init__.py" else module.rpartition(".")[0]
    base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
    return {alias.asname or alias.name: (*base.split("."), alias.name) for alias in node.names}


@cache
def _parsed(name: str) -> _Module | None:
    file = _file(name)
    if file is None:
        return None
    tree = _WithoutProse().visit(ast.parse(file.read_text()))
    definitions: dict[str, list[ast.stmt]] = {}
    imports: dict[str, tuple[str, ...]] = {}
    at_import: list[ast.stmt] = []
    for node in _top_level(tree.body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= _imported(node, name)
        for each in _bound(node):
            definitions.setdefault(each, []).append(node)
        if not isinstance(node, ast.Import | ast.ImportFrom) and not _bound(node):
            at_import.append(node)
    return _Module(definitions, imports, at_import)


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module, with those inside a condition or a `try`."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            handlers = [each for handler in getattr(node, "handlers", ()) for each in handler.body]
            yield from _top_level([*node.body, *handlers, *node.orelse, *getattr(node, "finalbody", ())])
        elif not isinstance(node, ast.Pass):
            yield node


def _bound(node: ast.stmt) -> list[str]:
    """The names that a statement defines; none where it does something else."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
    is_plain = all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
    return names if is_plain else []


@cache
def _file(name: str) -> Path | None:
    """Where the source of a module is, found without importing anything; None where there is no such module."""
    top, *below = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # the script that is run
        return None
    if spec is None or not below:
        return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
    places = [Path(each).joinpath(*below) for each in spec.submodule_search_locations or ()] + _in_imported(name)
    files = [file for each in places for file in (each / "__init__.py", each.with_name(f"{each.name}.py"))]
    return next((each for each in files if each.is_file()), None)


def _in_imported(name: str) -> list[Path]:
    """Where a module may be by the packages above it that are imported: one of them may look in other folders too."""
    parts = name.split(".")
    packages = {known: sys.modules.get(".".join(parts[:known])) for known in range(1, len(parts))}
    return [
        Path(folder).joinpath(*parts[known:])
        for known, package in packages.items()
        for folder in getattr(package, "__path__", ())
    ]


def _is_below(module: str, packages: Sequence[str]) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in packages)


class _WithoutProse(ast.NodeTransformer):
    """Takes out what is written for people: docstrings, what an error says, descriptions of fields."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """A text that stands alone is a docstring."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.Pass() if is_text else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Of an error, what it is called."""
        if node.exc is None:
            return node
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(exc=ast.Constant(value=ast.dump(raised)), cause=None)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Fields, without their descriptions."""
        for statement in node.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Call):
                call = statement.value
                call.keywords = [each for each in call.keywords if each.arg != "description"]
        node.body = [each for each in map(self.visit, node.body) if not isinstance(each, ast.Pass)]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Statements, without docstrings and other statements that do nothing."""
        self.generic_visit(node)
        node.body = [each for each in node.body if not isinstance(each, ast.Pass)]
        return node
