"""Which partitions of which assets are meant by what a person asked for.

Belongs here: from words to partitions. Does not: in which runs they are made (`plan`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from ml_platform.errors import RunRequestError
from ml_platform.operations.backfills.assets import Asset, Assets, Parts, with_companions, with_descendants
from ml_platform.operations.backfills.dagster_api import DagsterApi
from ml_platform.operations.backfills.states import State
from ml_platform.storage.batches import UNPARTITIONED

NOTHING_STARTED = "Nothing was started."
_PREVIEW = """query($params: AssetBackfillPreviewParams!) { assetBackfillPreview(params: $params) {
  assetKey { path } partitions { ranges { start end } partitionKeys }
} }"""
InState = Callable[[Asset, State], set[str]]


class Asked(NamedTuple):
    """Partitions, as a person says them: by keys, by the first and last one, all; of these, only those in a state."""

    partitions: Sequence[str] = ()
    first: str | None = None
    last: str | None = None
    all: bool = False
    states: Sequence[State] = ()


class Selection(NamedTuple):
    """What is meant, and the assets without partitions that were left out since nobody named them."""

    parts: dict[str, tuple[str, ...]]
    left_out: tuple[str, ...] = ()


def select(assets: Assets, names: Sequence[str], chosen: Sequence[str], asked: Asked, in_state: InState) -> Selection:
    """The partitions of the `chosen` assets, which `names` mean, and of whatever is made in the same steps.

    Raises:
        RunRequestError: no partitions were asked for, or some that no calendar has.
    """
    _require_known([assets[name] for name in chosen], asked)
    parts: dict[str, tuple[str, ...]] = {}
    left_out: list[str] = []
    for asset in (assets[name] for name in chosen):
        if asset.partitions is not None:
            if keys := _of_calendar(asset, asset.partitions, asked, in_state):
                parts[asset.name] = keys
        elif asked.states:
            if any(UNPARTITIONED in in_state(asset, state) for state in asked.states):
                parts[asset.name] = ()
        elif asset.name in names or asked.all:
            parts[asset.name] = ()
        else:
            left_out.append(asset.name)
    meant = with_companions(assets, parts)
    return Selection(meant, tuple(name for name in left_out if name not in meant))


def with_downstream(api: DagsterApi, assets: Assets, parts: Parts) -> dict[str, tuple[str, ...]]:
    """`parts`, with every partition of other assets that Dagster's partition mappings make follow from them.

    From an asset without partitions everything follows.
    """
    found: dict[str, set[str]] = defaultdict(set, {name: set(keys) for name, keys in parts.items()})
    groups: dict[tuple[object, Sequence[str]], list[str]] = defaultdict(list)
    for name, keys in parts.items():
        groups[assets[name].partitions, tuple(keys)].append(name)
    for (calendar, keys), names in groups.items():
        for name, following in _following(api, assets, names, keys if calendar else None):
            found[name] |= set(following)
    return with_companions(assets, {name: tuple(keys) for name, keys in found.items()})


def _following(
    api: DagsterApi, assets: Assets, names: Sequence[str], keys: Sequence[str] | None
) -> Iterator[tuple[str, Sequence[str]]]:
    after = with_descendants(assets, names)
    if keys is None:
        yield from ((name, assets[name].partitions or ()) for name in after)
        return
    params = {"partitionNames": list(keys), "assetSelection": [{"path": name.split("/")} for name in after]}
    for each in api.ask(_PREVIEW, params=params)["assetBackfillPreview"]:
        name = "/".join(each["assetKey"]["path"])
        if each["partitions"] is None:
            yield name, ()
        elif keys_of := _keys(each["partitions"], assets[name].partitions or ()):
            yield name, keys_of


def _keys(partitions: dict[str, Any], calendar: Sequence[str]) -> list[str]:
    """What Dagster says by ranges or by keys."""
    if partitions["ranges"] is None:
        return list(partitions["partitionKeys"])
    places = {key: place for place, key in enumerate(calendar)}
    ends = [(places[each["start"]], places[each["end"]]) for each in partitions["ranges"]]
    return [key for first, last in ends for key in calendar[first : last + 1]]


def _of_calendar(asset: Asset, calendar: Sequence[str], asked: Asked, in_state: InState) -> tuple[str, ...]:
    """The keys that are meant, in the order of the calendar."""
    meant = set(asked.partitions)
    if asked.first or asked.last:
        meant |= set(_between(asset, calendar, asked.first, asked.last))
    elif not asked.partitions:
        meant = set(calendar)
    if asked.states:
        meant &= {key for state in asked.states for key in in_state(asset, state)}
    return tuple(key for key in calendar if key in meant)


def _between(asset: Asset, calendar: Sequence[str], first: str | None, last: str | None) -> Sequence[str]:
    """By time where the calendar is one of time: "2013-10" to "2013-12" fits months and days alike."""
    if asset.is_by_time:
        return [key for key in calendar if (first or key) <= key and (not last or key <= last or key.startswith(last))]
    if not {first or calendar[0], last or calendar[-1]} <= set(calendar):
        return []
    begin, end = calendar.index(first or calendar[0]), calendar.index(last or calendar[-1])
    return calendar[begin : end + 1]


def _require_known(chosen: Sequence[Asset], asked: Asked) -> None:
    """Refuse what no calendar of these assets has, and to guess.

    Raises:
        RunRequestError: it says which, and what there is.
    """
    calendars = [asset for asset in chosen if asset.partitions]
    if not calendars:
        return
    if not (asked.partitions or asked.first or asked.last or asked.all or asked.states):
        raise RunRequestError(
            f"{calendars[0].name} has {len(calendars[0].partitions or ()):,} partitions, and none was asked for",
            expected="--from and --to, --partition, --failed, --stale, --missing, or --all",
            kept=NOTHING_STARTED,
        )
    if asked.first and asked.last and asked.first > asked.last:
        raise RunRequestError(f"--from {asked.first} comes after --to {asked.last}", kept=NOTHING_STARTED)
    known = {key for asset in calendars for key in asset.partitions or ()}
    unknown = [key for key in asked.partitions if key not in known]
    ends = " to ".join(each for each in (asked.first, asked.last) if each)
    if ends and not any(_between(asset, asset.partitions or (), asked.first, asked.last) for asset in calendars):
        unknown.append(ends)
    if unknown:
        near = get_close_matches(unknown[0], known, n=3, cutoff=0.8)
        raise RunRequestError(
            f"No calendar of {', '.join(asset.name for asset in calendars[:3])} has {', '.join(unknown)}",
            expected="; ".join(sorted({_told(asset) for asset in calendars}))
            + (f"; perhaps {' or '.join(sorted(near))}" if near else ""),
            kept=NOTHING_STARTED,
        )


def _told(asset: Asset) -> str:
    keys = asset.partitions or ()
    return f"{keys[0]} to {keys[-1]} ({asset.calendar})" if asset.calendar else f"{keys[0]} to {keys[-1]}"
