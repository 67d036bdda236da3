"""Names in a defs.yaml that become places: folders of tables, objects of the landing zone, models of the registry.

Belongs here: which of them are allowed, so that nothing is ever written or read outside its prefix. Does not: whether
what is named exists.
"""

import re
from typing import Annotated

from pydantic import AfterValidator

_TABLE = re.compile(r"[a-z][a-z0-9_]{0,99}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-. ]{0,99}")
_PATH_PART = re.compile(r"[^/\\:\x00-\x1f]{1,200}")


def _as_table(name: str) -> str:
    if not _TABLE.fullmatch(name):
        raise ValueError(
            "a table's name is a folder below the data prefix: letters a to z, digits and '_', a letter first, "
            "at most 100 characters"
        )
    return name


def _as_model(name: str) -> str:
    if not _MODEL.fullmatch(name):
        raise ValueError(
            "a model's name is letters, digits, spaces, '_', '-' and '.', a letter or digit first, "
            "at most 100 characters"
        )
    return name


def _as_landing_path(path: str) -> str:
    if {"{", "}"} & set(path.replace("{day}", "")):
        raise ValueError("braces are for `{day}` alone")
    parts = path.split("/")
    if not all(_PATH_PART.fullmatch(part) for part in parts) or {".", ".."} & set(parts):
        raise ValueError("a landing path is relative to the landing zone and stays in it: no '..', ':', '\\' or '//'")
    return path


TableName = Annotated[str, AfterValidator(_as_table)]
"""Last part of the asset key of a table or record, which is also its folder."""

ModelName = Annotated[str, AfterValidator(_as_model)]
"""Name of a model in the registry, which is also the folder of its log."""

LandingPath = Annotated[str, AfterValidator(_as_landing_path)]
"""Path of an object below the landing zone, or of one for each day if `{day}` stands in it."""
