"""What any source of a raw table gives for one partition: parts, each with its rows or bytes and their hash.

    landing objects   `source_objects`    bytes under the path that the table declares
    a query           `source_query`      rows of a database
    a function        `source_function`   rows that the use case fetches, from an API for example

Belongs here: the words that all of them and their readers share. Does not: reading what arrived (`landing`), or which
source a table has (`declared_source`).
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import polars as pl

from ml_platform.errors import DatabaseUnreachableError, StorageUnreachableError, UpstreamUnavailableError
from ml_platform.storage.content import content_hash

Unreachable = StorageUnreachableError | UpstreamUnavailableError | DatabaseUnreachableError
OUT_OF_REACH = (StorageUnreachableError, UpstreamUnavailableError, DatabaseUnreachableError)
"""Nobody answers where the rows come from."""

KEPT = "Nothing of it was ingested; what was published before stands"
LAND_AGAIN = "Have the upstream land the whole object again; the next run ingests it"


class Part(NamedTuple):
    """One object with its bytes, or all rows of a query or function, by the name that lineage and errors tell."""

    name: str
    data: bytes | pl.DataFrame

    @property
    def sha256(self) -> str:
        """Identity of the bytes, or of the rows with their names and types."""
        return content_hash(self.data) if isinstance(self.data, pl.DataFrame) else hashlib.sha256(self.data).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Size as it was delivered; of rows, in memory."""
        return int(self.data.estimated_size()) if isinstance(self.data, pl.DataFrame) else len(self.data)


class Arrived(NamedTuple):
    """One partition as its source gave it, its parts by name; `partition` is None where the table is whole."""

    name: str
    partition: dt.date | str | None
    parts: tuple[Part, ...]

    @property
    def hashes(self) -> dict[str, str]:
        """The hash of each part."""
        return {part.name: part.sha256 for part in self.parts}


class Source(Protocol):
    """Where the rows of one raw table come from."""

    def take(self, partition: str) -> tuple[Part, ...]:
        """What there is of one partition now, in an order that follows from it alone.

        Raises:
            LandingError: there is nothing, or not in a form that can be read.
            StorageUnreachableError, UpstreamUnavailableError, DatabaseUnreachableError: nobody answers.
            SettingsError, DatabaseRefusedError: a person has to change something.
        """
        ...  # pragma: no cover - a protocol


def state_of(hashes: Mapping[str, str]) -> str:
    """The hash of one part; of several, the hash over theirs by name."""
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    return hashlib.sha256("".join(f"{each}  {name}\n" for name, each in sorted(hashes.items())).encode()).hexdigest()


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows ordered by all of their columns: databases and APIs give the same rows in any order."""
    plain = [name for name, dtype in rows.schema.items() if not dtype.is_nested() and dtype != pl.Object]
    return rows.sort(plain, nulls_last=True, maintain_order=True) if plain else rows
