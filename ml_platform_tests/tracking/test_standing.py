"""What follows from the entries of a log, for any entries."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from ml_platform.tracking.registry_log import Action, ModelFacts, RegistryEvent
from ml_platform.tracking.standing import CHAMPION, LAST_KNOWN_GOOD, Standing

MONTHS = {1: 10, 2: 11, 3: 11, 4: 12}
DAYS = [dt.date(2013, month, 15) for month in (9, 10, 11, 12)]


def events(*entries: tuple[int, Action]) -> list[RegistryEvent]:
    """Four registered versions, two of them of November, and then these entries."""
    registered: list[tuple[int, Action]] = [(version, "registered") for version in MONTHS]
    return [
        RegistryEvent(
            sequence=sequence,
            id="",
            at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=sequence),
            model="delay",
            version=version,
            action=action,
            by="someone",
            reason="why",
            facts=facts(version) if action == "registered" else None,
            previous_sha256="",
            sha256="",
        )
        for sequence, (version, action) in enumerate([*registered, *entries], start=1)
    ]


def facts(version: int) -> ModelFacts:
    as_of = dt.date(2013, MONTHS[version], 1)
    return ModelFacts(as_of=as_of, uri="", sha256="", fingerprint=f"f{version}", run_id="")


def champions(standing: Standing) -> list[int | None]:
    found = [standing.champion(day) for day in DAYS]
    return [each.version if each else None for each in found]


actions = st.sampled_from(["promoted", "rolled_back", "approved", "rejected"])
entries = st.lists(st.tuples(st.sampled_from(sorted(MONTHS)), actions), max_size=12)


@given(entries, st.sampled_from(sorted(MONTHS)))
def test_rolling_back_a_promotion_gives_every_day_its_champion_of_before(
    entries: list[tuple[int, Action]], version: int
) -> None:
    before = Standing(events(*entries))
    after = Standing(events(*entries, (version, "promoted"), (version, "rolled_back")))
    if not any(each.version == version for each in before.promoted):
        assert champions(after) == champions(before)


@given(entries)
def test_the_champion_is_promoted_and_last_known_good_answers_without_it(entries: list[tuple[int, Action]]) -> None:
    standing = Standing(events(*entries))
    if CHAMPION in standing.aliases:
        without = Standing(events(*entries, (standing.aliases[CHAMPION], "rolled_back")))
        assert without.aliases.get(CHAMPION) == standing.aliases.get(LAST_KNOWN_GOOD)


@given(entries)
def test_no_day_is_answered_by_a_version_of_a_later_month(entries: list[tuple[int, Action]]) -> None:
    standing = Standing(events(*entries))
    found = [(standing.champion(day), day) for day in DAYS]
    assert all(each is None or (each.as_of <= day and each.is_promoted) for each, day in found)


def test_of_one_month_the_version_promoted_last_answers() -> None:
    assert champions(Standing(events((3, "promoted"), (2, "promoted")))) == [None, None, 2, 2]
