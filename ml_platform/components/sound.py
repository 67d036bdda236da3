"""Use cases read one by one, so that one which is wrong does not take the others down.

Belongs here: who is sound, who is broken and why. Does not: what is read of a use case (`locations`,
`provenance.catalog`), or who is told (`operations`).
"""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from ml_platform.errors import DefinitionError

Read = TypeVar("Read")
_LOG = logging.getLogger("ml_platform")


class Broken(NamedTuple):
    """A use case that cannot be read, and the error that says why."""

    use_case: str
    error: str


class UseCases(NamedTuple, Generic[Read]):
    """What was read of each sound use case, and the others; both in the order of their names."""

    sound: tuple[Read, ...]
    broken: tuple[Broken, ...] = ()


def each_of(folders: Iterable[Path], read: Callable[[Path], Read], where: str, *, strict: bool) -> UseCases[Read]:
    """What `read` makes of each folder; one that it refuses is logged, with `where` it is missing now.

    Raises:
        DefinitionError: a use case is broken and `strict` says that none may be.
    """
    sound: list[Read] = []
    broken: list[Broken] = []
    for folder in folders:
        try:
            sound.append(read(folder))
        except DefinitionError as error:
            if strict:
                raise
            broken.append(Broken(folder.name, str(error)))
            _LOG.error("Use case %s is broken and missing in %s; the others are there. %s", folder.name, where, error)
    return UseCases(tuple(sound), tuple(broken))
