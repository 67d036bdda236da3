"""In which runs partitions are made, and in which order: as Dagster's daemon would, told before it does.

Assets of one location, calendar, backfill policy and set of partitions share their runs, unless what stands between
them does not. A backfill over as-of months that trains and promotes is one backfill for each month, in the order of
the calendar: the gate of a month compares with the champion of the months before, which is promoted in another
location and by no dependency that Dagster could see. Two months at once would be compared with the same champion, and
the result would depend on which was faster.

Belongs here: the order. Does not: starting anything (`starting`, `here`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from ml_platform.operations.backfills.assets import Asset, Assets, Parts, models_of, with_descendants
from ml_platform.provenance.catalog import Catalog


class PlannedRun(NamedTuple):
    """One run: these assets of a location over this stretch of partitions, none if they have no calendar."""

    location: str
    assets: tuple[str, ...]
    partitions: tuple[str, ...]


class Group(NamedTuple):
    """What shares runs; `rank` is how many other groups have to be made before, one after the other."""

    rank: int
    location: str
    calendar: str
    most_per_run: int | None
    partitions: tuple[str, ...]


def runs(assets: Assets, parts: Parts) -> list[PlannedRun]:
    """The runs, each after those that it needs."""
    members: dict[Group, list[str]] = defaultdict(list)
    for name, group in _groups(assets, parts).items():
        members[group].append(name)
    return [
        PlannedRun(group.location, tuple(names), stretch)
        for group, names in sorted(members.items(), key=lambda each: each[0].rank)
        for stretch in _stretches(assets[names[0]], group)
    ]


def looks(assets: Assets, parts: Parts) -> int:
    """How often the daemon has to look before the last run is asked for."""
    return 1 + max((group.rank for group in _groups(assets, parts).values()), default=0)


def waves(assets: Assets, parts: Parts, catalogs: Sequence[Catalog]) -> list[dict[str, tuple[str, ...]]]:
    """`parts` as backfills that have to follow one another; one alone unless as-of months are trained and promoted."""
    whole = {name: tuple(keys) for name, keys in parts.items()}
    monthly = {name for chain in models_of(catalogs).values() if _is_walk(chain, parts) for name in chain}
    months = sorted({key for name in monthly & parts.keys() for key in parts[name]})
    if len(months) < 2:
        return [whole]
    after = set(with_descendants(assets, sorted(monthly & parts.keys()))) - monthly
    found = [_only(whole, whole.keys() - monthly - after)]
    found += [{name: (month,) for name in parts if name in monthly and month in parts[name]} for month in months]
    found.append(_only(whole, after))
    return [wave for wave in found if wave]


def stretches(calendar: Sequence[str], keys: Sequence[str]) -> list[tuple[str, ...]]:
    """`keys` in as few stretches without a gap as there can be."""
    places = {key: place for place, key in enumerate(calendar)}
    breaks = [n for n, (one, other) in enumerate(pairwise(keys), 1) if places[other] != places[one] + 1]
    return [tuple(keys[first:end]) for first, end in pairwise([0, *breaks, len(keys)]) if first < end]


def _groups(assets: Assets, parts: Parts) -> dict[str, Group]:
    """By asset, sources first."""
    found: dict[str, Group] = {}
    for asset in (asset for name, asset in assets.items() if name in parts):
        before = [found[name] for name in asset.made_from if name in found]
        found[asset.name] = _group(asset, tuple(parts[asset.name]), before)
    return found


def _group(asset: Asset, partitions: tuple[str, ...], before: Sequence[Group]) -> Group:
    """Its group: that of an asset before it, if it is alike; otherwise one of a higher rank."""
    alike = Group(0, asset.location, asset.calendar, asset.most_per_run, partitions)
    ranks = [other.rank + (other._replace(rank=0) != alike) for other in before]
    return alike._replace(rank=max(ranks, default=0))


def _stretches(asset: Asset, group: Group) -> Iterator[tuple[str, ...]]:
    if asset.partitions is None:
        yield ()
        return
    for stretch in stretches(asset.partitions, group.partitions):
        size = group.most_per_run or len(stretch)
        yield from (stretch[first : first + size] for first in range(0, len(stretch), size))


def _is_walk(chain: Sequence[str], parts: Parts) -> bool:
    """Whether months of a model are both registered and promoted: the last two of what makes it."""
    return len(chain) > 3 and set(chain[-2:]) <= parts.keys()


def _only(parts: Mapping[str, tuple[str, ...]], names: set[str]) -> dict[str, tuple[str, ...]]:
    return {name: keys for name, keys in parts.items() if name in names}
