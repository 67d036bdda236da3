"""Which day or key the path of a landing object says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.components.names import is_partition_key
from ml_platform.data.component import LandedTable
from ml_platform.data.landing_paths import partition_in
from ml_platform_tests.data import parks

KEYS = st.text(min_size=1, max_size=200).filter(is_partition_key)


def landed(landing: str, **more: object) -> LandedTable:
    described = {"name": "raw", "description": "Toy.", "landing": landing, "contract": "c:C"}
    return LandedTable.model_validate(described | more)


@given(KEYS, st.sampled_from(["parking/{key}.csv", "{key}/today.csv", "a+b/({key})/{key}.csv"]))
def test_a_key_is_found_in_the_path_that_is_made_of_it(key: str, landing: str) -> None:
    assert partition_in(landing, landed(landing).path_of(key)) == key


@pytest.mark.parametrize(
    ("landing", "path"),
    [
        ("parking/{key}.csv", "parking/north/east.csv"),
        ("parking/{key}.csv", "parking/.csv"),
        ("parking/{key}.csv", "parking/all.csv"),
        ("parking/{key}.csv", "parking/a...b.csv"),
        ("{key}/{key}.csv", "a/b.csv"),
        ("raw/{day}.csv", "raw/2013-02-30.csv"),
        ("raw/{day}.csv", "raw/20130205.csv"),
        ("raw.csv", "other.csv"),
        ("raw/{day}/*.csv", "raw/2013-01-01/a/b.csv"),
        ("raw/{day}-*.csv", "raw/2013-02-30-a.csv"),
    ],
)
def test_a_path_that_is_of_no_partition_is_none(landing: str, path: str) -> None:
    assert partition_in(landing, path) is None


@pytest.mark.parametrize(
    ("landing", "path", "partition"),
    [
        ("raw.csv", "raw.csv", "all"),
        ("raw/*.csv", "raw/a.csv", "all"),
        ("raw/{day}/*.csv", "raw/2013-01-01/.csv", "2013-01-01"),
        ("raw/{day}-*.csv", "raw/2013-01-01-2013-01-02-x.csv", "2013-01-01"),
        ("{key}/*/*.csv", "a*b/c/d.csv", "a*b"),
        ("sql://SHOP_URL/orders/{day}", "sql://SHOP_URL/orders/2013-01-01", "2013-01-01"),
    ],
)
def test_the_path_of_one_of_many_objects_says_its_partition(landing: str, path: str, partition: str) -> None:
    assert partition_in(landing, path) == partition


@pytest.mark.parametrize("key", ["", "all", "a/b", "a\\b", "a...b", "a\nb", "\udcff", "\u200b", "x" * 201])
def test_what_nobody_could_read_or_choose_is_no_key(key: str) -> None:
    assert not is_partition_key(key)


@pytest.mark.parametrize(
    ("landing", "more", "told"),
    [
        ("raw/{day}/{key}.csv", {}, "not by both"),
        ("raw/{key}-*.csv", {}, "leaves open where the key ends"),
        ("raw/{day}", {}, "does not say the format"),
        ("raw.csv", {"fetch": {"function": "m:f", "by": "day"}}, "a landed table has one source"),
        ("raw/{park}.csv", {}, "braces are for `{day}` or `{key}` alone"),
        ("raw/{day}.csv", {"key_column": "park"}, "`key_column` is for tables whose `landing` has `{key}` in it"),
        ("raw/{key}.csv", {"days_without_object": ["2013-01-01"]}, "`days_without_object` is for tables"),
        ("raw.csv", {"fallback": {"otherwise": "empty"}}, "this one is one object"),
    ],
)
def test_what_means_nothing_where_a_table_is_cut_so_is_refused(
    landing: str, more: dict[str, object], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        landed(landing, **more)


@pytest.mark.parametrize("noun", ["days", "Car Parks", "../x", ""])
def test_what_keys_are_is_a_name_that_days_do_not_have(noun: str) -> None:
    with pytest.raises(ValueError, match="a noun in the plural"):
        parks.use_case(keys=noun)
