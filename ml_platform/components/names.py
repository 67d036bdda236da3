"""Names in a defs.yaml that become places: folders of tables, objects of the landing zone, models of the registry.

Belongs here: which of them are allowed, so that nothing is ever written or read outside its prefix. Does not: whether
what is named exists.
"""

import re
from typing import Annotated

from pydantic import AfterValidator

LONGEST_KEY = 200

_TABLE = re.compile(r"[a-z][a-z0-9_]{0,99}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-. ]{0,99}")
_DATABASE_TABLE = re.compile(r"([A-Za-z_]\w{0,62}\.)?[A-Za-z_]\w{0,62}", re.ASCII)
_PATH_PART = re.compile(r"[^/\\:\x00-\x1f]{1,200}")


def _as_table(name: str) -> str:
    if not _TABLE.fullmatch(name):
        raise ValueError(
            "a table's name is a folder below the data prefix: letters a to z, digits and '_', a letter first, "
            "at most 100 characters"
        )
    return name


def _as_noun(name: str) -> str:
    if not _TABLE.fullmatch(name) or name == "days":
        raise ValueError("a noun in the plural, such as car_parks: letters a to z, digits and '_', and not days")
    return name


def _as_model(name: str) -> str:
    if not _MODEL.fullmatch(name):
        raise ValueError(
            "a model's name is letters, digits, spaces, '_', '-' and '.', a letter or digit first, "
            "at most 100 characters"
        )
    return name


def _as_landing_path(path: str) -> str:
    if {"{", "}"} & set(path.replace("{day}", "").replace("{key}", "")):
        raise ValueError("braces are for `{day}` or `{key}` alone")
    if "{day}" in path and "{key}" in path:
        raise ValueError("a table is by `{day}` or by `{key}`, not by both")
    parts = path.split("/")
    if any("{key}" in part and "*" in part for part in parts):
        raise ValueError("`*` beside `{key}` leaves open where the key ends: put them into different parts of the path")
    if not all(_PATH_PART.fullmatch(part) for part in parts) or {".", ".."} & set(parts):
        raise ValueError("a landing path is relative to the landing zone and stays in it: no '..', ':', '\\' or '//'")
    return path


def is_partition_key(text: str) -> bool:
    """Whether the name of a landing object may be a partition key: one path part that a person can read.

    Dagster takes three dots for a range, and `all` stands for a table without partitions.
    """
    from ml_platform.storage.batches import UNPARTITIONED  # whose module needs polars, as declarations do not

    is_legible = text.isprintable() and not set(text) & set("/\\") and 0 < len(text) <= LONGEST_KEY
    return is_legible and "..." not in text and text != UNPARTITIONED


def _as_database_table(name: str) -> str:
    if not _DATABASE_TABLE.fullmatch(name):
        raise ValueError("a table of a database is letters, digits and '_', with its schema before a dot if it has one")
    return name


TableName = Annotated[str, AfterValidator(_as_table)]
"""Last part of the asset key of a table or record, which is also its folder."""

PartitionNoun = Annotated[str, AfterValidator(_as_noun)]
"""What the keys of a use case are, in the plural; part of the names of its dynamic partitions and of their job."""

ModelName = Annotated[str, AfterValidator(_as_model)]
"""Name of a model in the registry, which is also the folder of its log."""

DatabaseTable = Annotated[str, AfterValidator(_as_database_table)]
"""Table of a database that is not the platform's."""

LandingPath = Annotated[str, AfterValidator(_as_landing_path)]
"""Path of an object below the landing zone, or of one for each day or key if `{day}` or `{key}` stands in it.

With `*` in it, it is that of many.
"""
