"""Partition keys that nobody would choose and somebody has: each comes back, apart from the others, in its place."""

import unicodedata
from collections.abc import Iterator

import dagster as dg
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ml_platform.errors import StorageError
from ml_platform.settings import Settings
from ml_platform.storage.io_managers import PARTITION_COLUMN, Publishable, record_path
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.memo import Made, Memo
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.resources import storage_resources
from ml_platform.storage.tables import TableStore
from ml_platform_tests.storage.scenario import data_files

AWKWARD = [
    *("a/b", "/", "//", "../../up", "..", ".", "~", "a\\b", "C:", "nul", "_delta_log", "_delta_log/0.json"),
    *("#1", "50%", "%2F", "%", "a,b", "a;b", "a:b", "a|b", "a=b", "key=a/b", "a&b?c", "*?[a]", "{day}", "<b>", "$HOME"),
    *('it\'s "so"', "' OR 1=1 --", "`a`", " ", "  ", "a ", " a", "é☃", "👩‍🚀", "١٢", "\u202eabc", "nan"),
    *("NULL", "None", "true", "0", "-1", "1e3", "2013-01-01", "2013-01-01T00:00", "all", "__HIVE_DEFAULT_PARTITION__"),
    *("UA", "ua", "Ua", "x" * 200, "x" * 199 + "y", "É" * 200, unicodedata.normalize("NFD", "é☃")),
]
UNPRINTABLE = ["a\nb", "a\tb", "a\rb", "a\x00b", "\x7f", "\u2028"]  # Dagster takes most of these for no partition
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=220)


def numbered(keys: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"key": keys, "n": range(len(keys))})


@pytest.fixture
def store(anywhere: Settings) -> TableStore:
    return TableStore.from_settings(anywhere)


def test_every_awkward_key_is_published_and_read_by_itself(store: TableStore) -> None:
    keys = [*AWKWARD, *UNPRINTABLE]
    store.publish("toy/keys", numbered(keys), keys, key="key")
    assert set(store.partitions("toy/keys")) == set(keys)
    for row in numbered(keys).iter_slices(1):
        assert store.scan("toy/keys", partitions=[row["key"][0]]).collect().equals(row)


def test_replacing_one_awkward_key_leaves_all_others_as_they_were(store: TableStore) -> None:
    store.publish("toy/keys", numbered(AWKWARD), AWKWARD, key="key")
    before = store.partitions("toy/keys")
    for key in AWKWARD[::6]:
        store.publish("toy/keys", pl.DataFrame({"key": [key], "n": [-1]}), [key], key="key")
        after = store.partitions("toy/keys")
        assert [each for each in after if after[each] != before[each]] == [key]
        before = after


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.lists(ANY_TEXT, unique=True, min_size=1, max_size=4))
def test_any_text_is_a_partition_key(store: TableStore, keys: list[str]) -> None:
    store.publish("toy/keys", numbered(keys), keys, key="key")
    assert set(keys) <= set(store.partitions("toy/keys"))
    for row in numbered(keys).iter_slices(1):
        assert store.scan("toy/keys", partitions=[row["key"][0]]).collect().equals(row)


def test_no_key_leads_out_of_its_table(store: TableStore) -> None:
    keys = [*AWKWARD, *UNPRINTABLE]
    store.publish("toy/keys", numbered(keys), keys, key="key")
    everything = ObjectStore(store.uri, store.object_options).list()
    assert all(info.path.startswith("toy/keys/") for info in everything)
    files = data_files(store, "toy/keys")
    assert len(files) == len(keys)
    assert all(file.isascii() and file.count("/") == 1 and file.endswith(".parquet") for file in files)


def test_an_empty_key_is_refused_because_the_log_would_take_it_for_none(store: TableStore) -> None:
    with pytest.raises(StorageError, match=r"toy/keys: .* empty text .* partition key"):
        store.publish("toy/keys", numbered(["", "a"]), ["", "a"], key="key")
    assert store.version("toy/keys") is None


@example(one="UA", other="ua")
@example(one="x" * 200, other="x" * 199 + "y")
@given(one=ANY_TEXT, other=ANY_TEXT)
def test_no_two_partitions_share_a_record_even_where_case_does_not_count(one: str, other: str) -> None:
    paths = [record_path("toy/score", key) for key in (one, other)]
    assert (paths[0].lower() == paths[1].lower()) == (one == other)
    for path in paths:
        assert ObjectStore("file:///store").uri_of(path).startswith("file:///store/records/toy/score/")
        assert len(path.removeprefix("records/toy/score/")) <= 155
        assert path.count("/") == 3


@pytest.mark.parametrize("key", ["UA", "x" * 200])
def test_a_record_whose_name_is_a_hash_is_not_where_another_key_would_be(key: str) -> None:
    name = record_path("toy/score", key).removeprefix("records/toy/score/").removesuffix(".json")
    assert record_path("toy/score", name) != record_path("toy/score", key)


def test_a_memo_tells_awkward_keys_apart(anywhere: Settings, store: TableStore) -> None:
    keys = [*AWKWARD, *UNPRINTABLE]
    hashes = store.publish("toy/keys", numbered(keys), keys, key="key").content_hashes
    memo = Memo(StorageLocation.of(anywhere).artifacts(), "toy/keys")
    memo.record({key: Made(f"from {key}", hashes[key], {"told": key}) for key in keys})
    reusable = memo.reusable({key: f"from {key}" for key in keys}, store.partitions("toy/keys"))
    assert {key: told["told"] for key, told in reusable.items()} == {key: key for key in keys}


BY_KEY = dg.DynamicPartitionsDefinition(name="key")


@dg.asset(
    partitions_def=BY_KEY,
    metadata={PARTITION_COLUMN: "key"},
    io_manager_key="tables",
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def rows(context: dg.AssetExecutionContext) -> Publishable:
    keys = list(context.partition_keys)
    return Publishable(numbered(keys), told={key: {"told": key} for key in keys}, made_from={key: key for key in keys})


@dg.asset(partitions_def=BY_KEY, io_manager_key="records", backfill_policy=dg.BackfillPolicy.single_run())
def scores(rows: pl.DataFrame) -> dict[str, int]:
    return dict(rows.select("key", "n").iter_rows())


@dg.asset(io_manager_key="records")
def summary(rows: pl.DataFrame, scores: dict[str, int]) -> dict[str, int]:
    assert dict(rows.select("key", "n").iter_rows()) == scores
    return scores


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        ephemeral.add_dynamic_partitions("key", AWKWARD)
        yield ephemeral


def test_a_run_over_awkward_keys_keeps_rows_and_records_apart(anywhere: Settings, instance: dg.DagsterInstance) -> None:
    resources = storage_resources(anywhere)
    tags = {"dagster/asset_partition_range_start": AWKWARD[0], "dagster/asset_partition_range_end": AWKWARD[-1]}
    made = dg.materialize([rows, scores], resources=resources, instance=instance, tags=tags)
    assert set(instance.get_materialized_partitions(scores.key)) == set(AWKWARD)
    assert made.output_for_node("scores") == {key: n for n, key in enumerate(AWKWARD)}
    read = dg.materialize([rows, scores, summary], selection=[summary], resources=resources, instance=instance)
    assert read.output_for_node("summary") == {key: n for n, key in enumerate(AWKWARD)}
