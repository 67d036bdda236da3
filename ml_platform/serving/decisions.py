"""A decision of a person about a model, carried out at once: in the registry, the promotion records, and Dagster.

Belongs here: rollback and promotion outside of a run. Does not: the rules (`tracking.registry`), or options and output.

The entry in the registry's log comes first, then the records, then the events. If the process dies in between, the same
command again does what is left.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from ml_platform.serving.declared import Deployed
from ml_platform.serving.presentation import promotion_metadata
from ml_platform.serving.promotion import Promotion, promotion_of
from ml_platform.storage.io_managers import record_document, record_path
from ml_platform.storage.objects import ObjectStore
from ml_platform.tracking.registry import ModelRegistry, RegisteredModel


class ChangedMonth(NamedTuple):
    """One promotion record that names another champion than before."""

    asset: str
    month: str
    before: int | None
    after: int | None


class Decided(NamedTuple):
    """Who is champion now, and which months have another champion than before."""

    champion: RegisteredModel | None
    months: list[ChangedMonth]
    is_continued: bool = False


class Places(NamedTuple):
    """Where a decision is carried out."""

    registry: ModelRegistry
    artifacts: ObjectStore
    instance: dg.DagsterInstance


def roll_back(
    places: Places, deployed: Sequence[Deployed], name: str, *, to: int | None, reason: str, by: str
) -> Decided:
    """The model rolled back to `to`, or to the last known good; each month that loses its champion gets the one before.

    A rollback that a crash left half done is only completed: it does not go back one further.

    Raises:
        ModelNotFoundError: no such model or version.
        NoChampionError: there is nothing to go back to.
        RegistryLogTamperedError: the log cannot be trusted.
    """
    log = places.registry.log(name)
    if to is None and log and log[-1].action == "rolled_back":
        left = refresh_records(places, deployed, name)
        if left:
            return Decided(places.registry.champion(name), left, is_continued=True)
    champion = places.registry.roll_back(name, to=to, reason=reason, by=by)
    return Decided(champion, refresh_records(places, deployed, name))


def promote(places: Places, deployed: Sequence[Deployed], name: str, version: int, *, reason: str, by: str) -> Decided:
    """The version promoted by a person, also one that was rolled back, or that another of its month has replaced.

    Raises:
        ModelNotFoundError: no such model or version.
        ModelNotApprovedError: the gate or a person stands against it, or a required approval is missing.
        RegistryLogTamperedError: the log cannot be trusted.
    """
    needs_approval = any(each.requires_approval for each in deployed)
    places.registry.promote(name, version, reason, by=by, requires_approval=needs_approval, over_others=True)
    return Decided(places.registry.champion(name), refresh_records(places, deployed, name))


def refresh_records(places: Places, deployed: Sequence[Deployed], name: str) -> list[ChangedMonth]:
    """The months whose record named another champion than the registry does; now it and Dagster name the same."""
    return [change for each in deployed for change in _refreshed(places, each, name)]


def _refreshed(places: Places, deployed: Deployed, name: str) -> Iterator[ChangedMonth]:
    for month in _recorded_months(places.artifacts, deployed.champion_asset):
        path = record_path(deployed.champion_asset, month)
        document = places.artifacts.read(path)
        before = Promotion.model_validate_json(document)
        after = promotion_of(places.registry, name, dt.date.fromisoformat(month))
        if _version(before) != _version(after):
            document = record_document(after)
            places.artifacts.write(path, document)
        if _tell_dagster(places, deployed.champion_asset, month, document, after, name):
            yield ChangedMonth(deployed.champion_asset, month, _version(before), _version(after))


def _tell_dagster(places: Places, asset: str, month: str, document: bytes, promotion: Promotion, name: str) -> bool:
    """Whether Dagster had to be told; its event keeps what the last one says of code and inputs."""
    key, data_version = dg.AssetKey(asset.split("/")), hashlib.sha256(document).hexdigest()
    asked = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[month])
    page = places.instance.fetch_materializations(asked, limit=1)
    latest = page.records[0].asset_materialization if page.records else None
    tags = dict(latest.tags or {}) if latest else {}
    if tags.get(DATA_VERSION_TAG) == data_version:
        return False
    metadata: dict[str, Any] = {
        **promotion_metadata(promotion, places.registry.log(name)),
        "dagster/uri": places.artifacts.uri_of(record_path(asset, month)),
    }
    places.instance.report_runless_asset_event(
        dg.AssetMaterialization(key, partition=month, metadata=metadata, tags={**tags, DATA_VERSION_TAG: data_version})
    )
    return True


def _recorded_months(artifacts: ObjectStore, asset: str) -> list[str]:
    return [unquote(PurePosixPath(each.path).stem) for each in artifacts.list(f"records/{asset}")]


def _version(promotion: Promotion) -> int | None:
    return promotion.champion.version if promotion.champion else None
