import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ml_platform.lineage.fingerprints import fingerprint

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates() | st.binary()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6)


class Search(BaseModel):
    trials: int = 3


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=4))
def test_the_order_of_names_does_not_matter(parts: dict[str, Any]) -> None:
    backwards = dict(reversed(parts.items()))
    assert fingerprint(**parts, nested=parts) == fingerprint(**backwards, nested=backwards)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_no_two_lists_of_texts_have_one_fingerprint(one: list[str], other: list[str]) -> None:
    assert (fingerprint(parts=one) == fingerprint(parts=other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (1, "1"),
        (None, "None"),
        (dt.date(2013, 1, 1), "2013-01-01"),
        (dt.date(2013, 1, 1), dt.datetime(2013, 1, 1)),  # noqa: DTZ001 - a datetime without a zone is the point
        (b"a", "a"),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ({1: "a"}, {"1": "a"}),
        ([1, 2], [2, 1]),
        ([[1], 2], [1, [2]]),
        (Search(trials=3), Search(trials=4)),
        (Search(trials=3), {"trials": 3}),
    ],
)
def test_what_is_different_has_another_fingerprint(one: object, other: object) -> None:
    assert fingerprint(part=one) != fingerprint(part=other)


def test_an_instant_has_one_fingerprint_in_every_time_zone() -> None:
    utc = dt.datetime(2013, 7, 4, 12, tzinfo=dt.UTC)
    assert fingerprint(at=utc) == fingerprint(at=utc.astimezone(dt.timezone(dt.timedelta(hours=-4))))


def test_a_set_has_no_order() -> None:
    assert fingerprint(names={"a", "b", "c"}) == fingerprint(names={"c", "b", "a"})


def test_what_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no canonical form"):
        fingerprint(part=object())
