"""What a person may ask a trace about, and the answer: a table, a record, a landing object or a registered version.

Belongs here: understanding the question. Does not: following the evidence (`trace_upstream`, `trace_downstream`).
"""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from dagster import DagsterInstance

from ml_platform.errors import UnknownAssetError
from ml_platform.provenance.trace import Direction, Trace
from ml_platform.provenance.trace_downstream import trace_downstream
from ml_platform.provenance.trace_links import AssetLinks
from ml_platform.provenance.trace_steps import Evidence
from ml_platform.provenance.trace_upstream import trace_upstream
from ml_platform.settings import Settings
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.training.records import ModelVersion

LANDING = "landing"
_RANGE = ".."


class Question(NamedTuple):
    """As it is typed. Without a direction a landing object is followed downstream, anything else upstream."""

    name: str
    key: str | None = None
    direction: Direction | None = None
    row: Mapping[str, str] | None = None


class _Start(NamedTuple):
    asset: str
    keys: tuple[str, ...]


def answer(question: Question, settings: Settings, instance: DagsterInstance, links: AssetLinks) -> Trace:
    """The trace that was asked for.

    Raises:
        UnknownAssetError: there is no such thing, or nothing of it is published.
        RowNotFoundError: not exactly one row was asked about.
    """
    evidence = Evidence.of(settings, instance, links)
    start = _start(question, evidence)
    is_landing = links.kind(start.asset) == "landing"
    direction = question.direction or ("downstream" if is_landing else "upstream")
    if is_landing and direction == "upstream":
        raise UnknownAssetError(
            f"Nothing comes before a landing object: '{question.key or question.name}' is where its lineage begins.",
            remedy="Ask for --downstream.",
        )
    if question.row and (direction == "downstream" or len(start.keys) != 1 or links.kind(start.asset) != "table"):
        raise UnknownAssetError(
            "--row follows one row of one partition of a table, upstream.",
            got=f"{start.asset}, {direction}, partitions: {', '.join(start.keys[:3])}",
            remedy="Name the partition, and leave out --downstream.",
        )
    if direction == "downstream":
        return trace_downstream(evidence, start.asset, start.keys)
    return trace_upstream(evidence, start.asset, start.keys, row=question.row)


def _start(question: Question, evidence: Evidence) -> _Start:
    name, key, links = question.name, question.key, evidence.links
    if name == LANDING:
        if key is None:
            raise UnknownAssetError(
                "Which landing object?", expected="its path below the landing zone after `landing`", got="nothing"
            )
        return _landing(key, links)
    if links.has(name):
        return _Start(name, _keys(name, key, evidence))
    if key is not None and key.isdecimal() and (found := _registered(name, int(key), evidence)):
        return found
    if key is None and "." in name:
        return _landing(name, links)
    links.require(name)
    raise AssertionError("require raises for a name that is not there")


def _landing(path: str, links: AssetLinks) -> _Start:
    asset, partition = links.landing(path)
    return _Start(asset, (partition,))


def _keys(name: str, key: str | None, evidence: Evidence) -> tuple[str, ...]:
    if not evidence.links.is_partitioned(name):
        return (UNPARTITIONED,)
    if key is not None and _RANGE not in key:
        return (key,)
    known = sorted(evidence.tables.states(name)) if evidence.links.kind(name) == "table" else []
    first, _, last = (key or _RANGE).partition(_RANGE)
    chosen = tuple(each for each in known if first <= each and (not last or each <= last))
    if not chosen:
        raise UnknownAssetError(
            f"No partition of {name} is published for '{key or 'all'}'.",
            expected="a partition key, or a range as FIRST..LAST",
            got=f"{len(known)} published" + (f", {known[0]} to {known[-1]}" if known else ""),
        )
    return chosen


def _registered(name: str, version: int, evidence: Evidence) -> _Start | None:
    """The record of a registered version, by the model's name in the registry."""
    for asset in evidence.links.of_record_type("ModelVersion"):
        for one in evidence.artifacts.list(f"records/{asset}"):
            record = ModelVersion.model_validate_json(evidence.artifacts.read(one.path))
            if (record.name, record.version) == (name, version):
                return _Start(asset, (unquote(one.path.rpartition("/")[2].removesuffix(".json")),))
    return None
