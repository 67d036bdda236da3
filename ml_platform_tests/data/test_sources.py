"""What holds for every source of a raw table, and what each says when it fails: real files, databases and runs."""

import datetime as dt
import gzip
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.components.automation import short
from ml_platform.data.arrivals import arrived_partitions, look
from ml_platform.data.landing import Layout, read_landing
from ml_platform.data.landing_formats import Reading
from ml_platform.data.sources import Arrived, Part
from ml_platform.errors import LandingError, LandingObjectUnreadableError
from ml_platform.provenance.trace_downstream import trace_downstream
from ml_platform.provenance.trace_links import AssetLinks
from ml_platform.provenance.trace_steps import Evidence
from ml_platform_tests.data import shop
from ml_platform_tests.data.shop import DAY, NEXT, ORIGINS, QUERY, URL_FROM, Origin, RawOrders, Shop, orders
from ml_platform_tests.data.test_pipeline import error_of
from ml_platform_tests.execution.instances import queueing_instance

PASSWORD = "hunter2-of-the-shop"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    shop.FETCHED.clear()
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture(params=ORIGINS)
def origin(request: pytest.FixtureRequest) -> Origin:
    return ORIGINS[request.param]


@pytest.fixture
def opened(origin: Origin, tmp_path: Path, instance: dg.DagsterInstance) -> Shop:
    found = Shop(tmp_path, instance, **origin.declares)
    for day in (DAY, NEXT):
        origin.deliver(found, day, orders(day))
    return found


def test_rows_come_typed_and_whole_whatever_they_come_from(opened: Shop) -> None:
    assert opened.build(DAY, NEXT).success
    assert [opened.rows(day).equals(orders(day)) for day in (DAY, NEXT)] == [True, True]


def test_the_same_again_is_no_work_and_another_row_is(opened: Shop, origin: Origin) -> None:
    opened.build(DAY, NEXT)
    assert opened.build(DAY, NEXT).success
    assert (opened.told()["partitions_reused"], opened.location.tables().version("shop/raw")) == (2, 0)
    origin.deliver(opened, NEXT, orders(NEXT, 1.0, 2.0))
    assert opened.build(DAY, NEXT).success
    assert (opened.told()["partitions_reused"], opened.rows(NEXT).height) == (1, 2)


def test_what_was_read_before_stays_readable_when_the_source_has_moved_on(opened: Shop, origin: Origin) -> None:
    opened.build(DAY)
    origin.deliver(opened, DAY, orders(DAY, 1.0))
    opened.build(DAY)
    assert opened.rows(DAY, version=0).equals(orders(DAY))
    assert opened.rows(DAY).equals(orders(DAY, 1.0))


def test_a_day_of_which_there_is_nothing_is_refused_and_what_stands_is_kept(opened: Shop, origin: Origin) -> None:
    opened.build(DAY)
    origin.deliver(opened, DAY, None)
    told = error_of(opened.build(DAY), "shop__raw")
    assert "what was published before stands" in told
    assert opened.rows(DAY).equals(orders(DAY))


def test_a_day_declared_to_be_without_rows_is_published_empty(
    origin: Origin, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    declared = Shop(tmp_path, instance, **origin.declares, days_without_object=[str(DAY)])
    assert declared.build(DAY).success
    assert declared.rows(DAY).is_empty()


def test_a_trace_leads_from_the_origin_to_the_rows(opened: Shop) -> None:
    opened.build(DAY)
    links = AssetLinks([opened.definitions])
    named = str(opened.told()["landing_object"])
    start = links.landing(named.replace("*", "0"))
    trace = trace_downstream(Evidence.of(opened.settings, opened.instance, links), start.asset, [start.partition])
    assert [(step.kind, step.name) for step in trace.steps][1:] == [("table", "shop/raw")]
    is_rows = "://" in named
    assert {one.now for one in trace.steps[0].objects} == {"not asked" if is_rows else "unchanged"}


def test_fallback_bridges_every_source(origin: Origin, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    bridged = Shop(tmp_path, instance, **origin.declares, fallback={"cached_within_days": 1})
    origin.deliver(bridged, DAY, orders(DAY))
    assert bridged.build(DAY).success
    origin.deliver(bridged, DAY, None)
    assert bridged.build(DAY).success
    assert bridged.rows(DAY).equals(orders(DAY))
    assert "is as ingested on" in str(bridged.told())


def test_one_more_object_makes_its_day_wanted_again_with_all_objects(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    many = Shop(tmp_path, instance, **ORIGINS["many"].declares)
    ORIGINS["many"].deliver(many, DAY, orders(DAY))
    table, later = shop.pipeline(**ORIGINS["many"].declares).landed[0], dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    before = arrived_partitions(look(many.location, "shop", [table], later), {})
    many.build(DAY)
    assert arrived_partitions(look(many.location, "shop", [table], later), {}).settled == {str(DAY)}
    many.put(f"orders/{DAY}/x.parquet", shop.as_parquet(orders(DAY)))
    after = arrived_partitions(
        look(many.location, "shop", [table], later), {str(DAY): short(before.contents[str(DAY)])}
    )
    assert (after.contents != before.contents, after.settled) == (True, frozenset())
    many.build(DAY)
    assert (many.rows(DAY).height, len(many.told()["landing_parts"])) == (6, 5)


def test_the_order_in_which_objects_land_does_not_matter(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    many, hashes = Shop(tmp_path, instance, **ORIGINS["many"].declares), []
    for names in (("b", "a"), ("a", "b")):
        for name in names:
            many.put(f"orders/{DAY}/{name}.parquet", None)
            many.put(f"orders/{DAY}/{name}.parquet", shop.as_parquet(orders(DAY, float(ord(name)))))
        assert many.build(DAY).success
        hashes.append(many.told()["landing_sha256"])
    assert hashes[0] == hashes[1]


def read(name: str, data: bytes) -> pl.DataFrame:
    """The rows of one object of the shop, by the end of its name."""
    kind = "parquet" if ".parquet" in name else "jsonl" if ".jsonl" in name else "csv"
    layout = Layout(RawOrders, ("placed_on",), reading=Reading(kind))
    return read_landing(Arrived(name, DAY, (Part(name, data),)), layout).frame


PACKED = {
    "o.csv.gz": gzip.compress(shop.as_csv(orders(DAY)), mtime=0),
    "o.csv.zst": shop.zstandard(shop.as_csv(orders(DAY))),
    "o.csv.zip": shop.zipped(shop.as_csv(orders(DAY))),
    "o.parquet": shop.as_parquet(orders(DAY)),
}


@given(st.sampled_from(sorted(PACKED)), st.floats(0, 1, exclude_max=True))
def test_an_object_cut_anywhere_is_refused_and_never_read_in_part(name: str, share: float) -> None:
    with pytest.raises(LandingError):
        read(name, PACKED[name][: int(len(PACKED[name]) * share)])


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("o.csv.gz", b"no gzip", "o.csv.gz cannot be unpacked"),
        ("o.csv.zst", b"no zst", "o.csv.zst is truncated or cannot be unpacked"),
        ("o.csv.zip", b"no zip", "o.csv.zip is truncated or cannot be unpacked"),
        ("o.csv.zip", shop.zipped(b"a\n", members=2), "holds several files or none. Expected one; got 2"),
        ("o.parquet", b"PAR1 no parquet", "o.parquet is truncated or not Parquet"),
        ("o.jsonl", shop.as_jsonl(orders(DAY)) + b"{no json}\n", "o.jsonl is truncated or not JSON in line 4"),
    ],
)
def test_what_is_not_of_its_format_is_told(name: str, data: bytes, told: str) -> None:
    with pytest.raises(LandingObjectUnreadableError, match=told):
        read(name, data)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1).filter(lambda t: t != "NA")


@given(st.lists(st.tuples(st.none() | st.floats(allow_nan=False, allow_infinity=False), TEXT), min_size=1, max_size=5))
def test_any_rows_come_back_equal_from_each_format(rows: list[tuple[float | None, str]]) -> None:
    frame = orders(DAY, *(amount for amount, _ in rows)) if len(rows) > 1 else orders(DAY, *(a or 0.0 for a, _ in rows))
    frame = frame.with_columns(note=pl.Series([note for _, note in rows]))
    for name, data in (
        ("o.csv", shop.as_csv(frame)),
        ("o.jsonl", shop.as_jsonl(frame)),
        ("o.parquet", shop.as_parquet(frame)),
    ):
        assert read(name, data).equals(frame), name


def test_a_busy_database_is_tried_again_and_then_told_without_its_url(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_STEP_RETRIES", "1")
    monkeypatch.setenv("ML_PLATFORM_RETRY_FIRST_SECONDS", "0")
    asked = Shop(tmp_path, instance, query=QUERY)
    os.environ[URL_FROM] += "?timeout=0.1"
    ORIGINS["query"].deliver(asked, DAY, orders(DAY))
    with sqlite3.connect(asked.database) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = asked.build(DAY)
        other.rollback()
    other.close()
    assert any(event.is_step_up_for_retry for event in result.all_events)
    assert f"sql://{URL_FROM}/raw/{DAY}: the database of {URL_FROM} does not answer" in error_of(result, "shop__raw")
    assert str(asked.database) not in str([event.message for event in result.all_events])


@pytest.mark.parametrize(
    ("url", "sql", "told"),
    [
        ("", "SELECT 1", f"The environment variable {URL_FROM} has no value"),
        (f"{PASSWORD} is no url", "SELECT 1", "is no URL of a database"),
        (f"oracle://me:{PASSWORD}@nowhere/x", "SELECT 1", "asks for the driver 'oracle', which is not installed"),
        ("sqlite://", "SELECT * FROM absent", "refuses it. Got OperationalError: no such table: absent"),
        ("sqlite://", "SELECT 1 AS a, 2 AS a", "names a column twice. Got a"),
        ("sqlite://", "SELECT 1 AS a", "does not have the columns of RawOrders"),
    ],
)
def test_what_a_person_has_to_correct_fails_at_once_and_shows_no_secret(
    url: str, sql: str, told: str, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Shop(tmp_path, instance, query={"url_from": URL_FROM, "sql": sql})
    monkeypatch.setenv(URL_FROM, url)
    result = asked.build(job=shop.REGISTERS)
    assert told in error_of(result, "shop__raw")
    assert not any(event.is_step_up_for_retry for event in result.all_events)
    assert PASSWORD not in str([(event.message, event.event_specific_data) for event in result.all_events])


def test_values_are_bound_and_never_pasted_into_a_query(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    with pytest.raises(ValueError, match="`:week` has no value"):
        shop.pipeline(query={"url_from": URL_FROM, "sql": "SELECT * FROM orders WHERE week = :week"})
    sql = "SELECT * FROM orders WHERE placed_on >= :day AND placed_on < :next_day"
    asked = Shop(tmp_path, instance, query={"url_from": URL_FROM, "sql": sql})
    for day in (DAY, NEXT):
        ORIGINS["query"].deliver(asked, day, orders(day))
    assert asked.build(DAY).success
    assert asked.rows(DAY).equals(orders(DAY))


def test_a_query_changes_nothing_in_its_database(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    asked = Shop(tmp_path, instance, query={**QUERY, "sql": "DELETE FROM orders WHERE placed_on = :day RETURNING *"})
    ORIGINS["query"].deliver(asked, DAY, orders(DAY))
    asked.build(DAY)
    with sqlite3.connect(asked.database) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (3,)
    connection.close()


def test_an_api_that_does_not_answer_is_tried_again_and_its_words_are_not_told(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_STEP_RETRIES", "1")
    monkeypatch.setenv("ML_PLATFORM_RETRY_FIRST_SECONDS", "0")
    asked = Shop(tmp_path, instance, **ORIGINS["function"].declares)
    shop.FETCHED[DAY] = ConnectionResetError(f"https://api/?key={PASSWORD}")
    result = asked.build(DAY)
    assert any(event.is_step_up_for_retry for event in result.all_events)
    told = error_of(result, "shop__raw")
    assert f"function://shop.fetch_orders/raw/{DAY}: nobody answered the function. Got ConnectionResetError" in told
    assert PASSWORD not in str([(event.message, event.event_specific_data) for event in result.all_events])


@pytest.mark.parametrize(
    ("kind", "schedules", "sensors"),
    [("query", ["build_shop_days_daily"], []), ("function", ["build_shop_days_daily"], []), ("csv", [], 1)],
)
def test_what_lands_is_noticed_and_what_is_asked_for_has_a_schedule(
    kind: str, schedules: list[str], sensors: list[str] | int, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    found = Shop(tmp_path, instance, **ORIGINS[kind].declares).definitions
    assert [each.name for each in found.schedules or []] == schedules
    assert len(list(found.sensors or [])) == (sensors or 0)


def test_a_schedule_asks_for_the_day_before(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    asked = Shop(tmp_path / "home", instance, query=QUERY)
    repository, at = asked.definitions.get_repository_def(), dt.datetime(2013, 7, 5, 6, tzinfo=dt.UTC)
    resources = {"tables": asked.definitions.resources["tables"]}
    with (
        queueing_instance(tmp_path / "kept") as kept,  # a schedule is not handed one that nothing is kept of
        dg.build_schedule_context(
            kept, scheduled_execution_time=at, resources=resources, repository_def=repository
        ) as context,
    ):
        ticked = repository.get_schedule_def("build_shop_days_daily").evaluate_tick(context)
    assert [request.partition_key for request in ticked.run_requests or []] == [str(DAY)]
