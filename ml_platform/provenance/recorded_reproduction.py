"""Comparisons of versions with themselves made again, as they are kept.

Belongs here: the record and its place. Does not: making again (`reproduce`).
"""

import datetime as dt

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_platform.provenance.reproduction import Reproduction
from ml_platform.storage.objects import ObjectStore


class RecordedReproduction(BaseModel):
    """One reproduction, and who did it."""

    model_config = ConfigDict(frozen=True)

    at: dt.datetime = Field(description="When it ended (UTC).")
    run_id: str | None = Field(description="The Dagster run that did it; null if a person did, on the command line.")
    result: Reproduction = Field(description="What the comparison said.")


def keep_reproduction(artifacts: ObjectStore, result: Reproduction, run_id: str | None = None) -> str:
    """Where the comparison is kept, in the place of an older one of the version by the same kind of actor."""
    record = RecordedReproduction(at=dt.datetime.now(dt.UTC), run_id=run_id, result=result)
    path = _path(result.name, result.version, by_run=run_id is not None)
    artifacts.write(path, record.model_dump_json().encode())
    return artifacts.uri_of(path)


def read_reproductions(artifacts: ObjectStore, name: str, version: int) -> list[RecordedReproduction]:
    """What is kept of a version: that of a run first, then that of a person."""
    found = []
    for by_run in (True, False):
        try:
            document = artifacts.read(_path(name, version, by_run=by_run))
            found.append(RecordedReproduction.model_validate_json(document))
        except (FileNotFoundError, ValidationError):
            continue
    return found


def _path(name: str, version: int, *, by_run: bool) -> str:
    return f"reproductions/{name}/{version}{'-run' if by_run else ''}.json"
