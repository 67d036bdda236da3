"""Where something stands in the YAML of a use case, for errors that only show when names are looked up.

Belongs here: file, line and field. Does not: whether a field is of its type (`yaml_check`).
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from ml_platform.components.references import use_cases_folder
from ml_platform.errors import DefinitionError
from ml_platform.typed_yaml import documents_of, dotted, line_of


def place(use_case: str, location: str, field: Sequence[str | int]) -> str:
    """`use_cases/ferries/data/defs.yaml:31, features[0].rows`; without a line where the file is not there."""
    name = f"use_cases/{use_case}/{location}/defs.yaml"
    path = use_cases_folder() / use_case / location / "defs.yaml"
    documents = documents_of(path, name) if path.is_file() else []
    line = f":{line_of(documents[0].source_position_tree, ['attributes', *field])}" if documents else ""
    return f"{name}{line}, {dotted(field)}"


def unknown(where: str, what: str, got: str, allowed: Iterable[str]) -> DefinitionError:
    """The error for a name that means nothing: `what` it should name, and the names that there are."""
    names = sorted(allowed)
    close = get_close_matches(got, names, n=1)
    return DefinitionError(
        f"{where}: there is no {what} '{got}'" + (f" (did you mean {close[0]}?)" if close else ""),
        expected=f"one of {', '.join(names)}" if names else "none: there is nothing that it could name",
        got=f"'{got}'",
    )
