"""What there is to backfill: every asset that a run can make, as the code locations define it.

Belongs here: reading Dagster's graph, and names. Does not: which partitions (`selection`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

from ml_platform.errors import UnknownAssetError
from ml_platform.operations.backfills.dagster_api import DagsterApi
from ml_platform.provenance.catalog import Catalog

_ASSETS = """{ assetNodes {
  assetKey { path } isMaterializable opName dependencyKeys { path } partitionKeys
  partitionDefinition { type description } backfillPolicy { maxPartitionsPerRun policyType }
  repository { location { name } }
} }"""


class Asset(NamedTuple):
    """One asset. `partitions` is its calendar so far; None without one. `most_per_run` is None where there is no limit.

    `step` is the step that makes it, and may make others with it; `calendar` tells one calendar from another.
    """

    name: str
    location: str
    step: str
    made_from: tuple[str, ...]
    partitions: tuple[str, ...] | None
    calendar: str = ""
    is_by_time: bool = False
    most_per_run: int | None = None


Assets = Mapping[str, Asset]
Parts = Mapping[str, Sequence[str]]
"""By asset, the partitions of it that are meant, in the order of the calendar; none for an asset without partitions."""


def read_assets(api: DagsterApi) -> dict[str, Asset]:
    """Every asset that a run can make, each after those that it is made from.

    Raises:
        WebserverUnreachableError: nobody answers.
    """
    nodes = [node for node in api.ask(_ASSETS)["assetNodes"] if node["isMaterializable"]]
    found = {asset.name: asset for asset in map(_asset, nodes)}
    order = TopologicalSorter({name: sorted(set(found) & set(found[name].made_from)) for name in sorted(found)})
    return {name: found[name] for name in order.static_order()}


def named(
    assets: Assets, names: Sequence[str], pipeline: str | None = None, catalogs: Sequence[Catalog] = ()
) -> list[str]:
    """The assets that `names` mean: assets, registered models, or all assets of a use case; of one pipeline, if said.

    Raises:
        UnknownAssetError: there is no such asset, model, use case or pipeline.
    """
    groups = models_of(catalogs)
    for name in assets:
        groups.setdefault(name.partition("/")[0], []).append(name)
    if unknown := [name for name in names if name not in assets and name not in groups]:
        near = get_close_matches(unknown[0], [*assets, *groups], n=3, cutoff=0.5)
        raise UnknownAssetError(
            f"There is no asset, model or use case '{unknown[0]}'",
            expected=f"perhaps {' or '.join(near)}" if near else f"one of {', '.join(groups)}, or an asset of them",
            kept="Nothing was started.",
        )
    meant = {each for name in names for each in groups.get(name, [name])}
    found = [name for name in assets if name in meant and pipeline in (None, assets[name].location)]
    if not found:
        pipelines = sorted({assets[name].location for name in meant if name in assets})
        raise UnknownAssetError(
            f"Nothing of {', '.join(names)} is made in the pipeline '{pipeline or 'any'}'",
            expected=f"one of {', '.join(pipelines)}" if pipelines else "a location of it that is loaded",
            kept="Nothing was started.",
        )
    return found


def models_of(catalogs: Sequence[Catalog]) -> dict[str, list[str]]:
    """By registered model, the assets that train, evaluate, register and promote it."""
    found: dict[str, list[str]] = defaultdict(list)
    for catalog in catalogs:
        for config in catalog.models:
            parts = ("model", "evaluation", "model_version")
            found[config.registered_as] += [catalog.name(f"{config.name}_{part}") for part in parts]
        if catalog.deployment:
            champion = catalog.deployment.champion
            found[champion.registered_model].append(catalog.name(champion.name))
    return dict(found)


def with_descendants(assets: Assets, names: Sequence[str]) -> list[str]:
    """`names` and everything that is made from them, sources first."""
    found = set(names)
    for asset in assets.values():
        if found & set(asset.made_from):
            found.add(asset.name)
    return [name for name in assets if name in found]


def with_ancestors(assets: Assets, name: str) -> list[str]:
    """The asset and everything that it is made from, sources first."""
    found = {name}
    for asset in reversed(list(assets.values())):
        if asset.name in found:
            found |= set(asset.made_from)
    return [each for each in assets if each in found]


def with_companions(assets: Assets, parts: Parts) -> dict[str, tuple[str, ...]]:
    """`parts`, with whatever the same steps make over the same partitions, sources first."""
    by_step: dict[tuple[str, str], set[str]] = {}
    for name, partitions in parts.items():
        by_step.setdefault(_step(assets[name]), set()).update(partitions)
    return {
        asset.name: tuple(key for key in asset.partitions or () if key in by_step[_step(asset)])
        for asset in assets.values()
        if _step(asset) in by_step
    }


def _step(asset: Asset) -> tuple[str, str]:
    return asset.location, asset.step


def _asset(node: Mapping[str, Any]) -> Asset:
    calendar, policy = node["partitionDefinition"], node["backfillPolicy"]
    return Asset(
        name="/".join(node["assetKey"]["path"]),
        location=node["repository"]["location"]["name"],
        step=node["opName"],
        made_from=tuple("/".join(key["path"]) for key in node["dependencyKeys"]),
        partitions=tuple(node["partitionKeys"]) if calendar else None,
        calendar=calendar["description"] if calendar else "",
        is_by_time=bool(calendar) and calendar["type"] == "TIME_WINDOW",
        most_per_run=policy["maxPartitionsPerRun"] if policy else 1,
    )
