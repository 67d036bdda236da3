from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform.operations.served import served
from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore

TABLE, RECORD = dg.AssetKey(["toy", "clean"]), dg.AssetKey(["toy", "model"])
DAYS = ["2013-07-04", "2013-07-05", "2013-07-06"]


@pytest.fixture(scope="module")
def history() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(RECORD, partition=DAYS[0]))
        yield instance


@pytest.fixture
def tables(tmp_path: Path) -> TableStore:
    made = TableStore.from_settings(Settings(home=tmp_path))
    made.publish("toy/clean", pl.DataFrame({"day": DAYS[:2], "toys": [1, 2]}), DAYS[:2], key="day")
    return made


@pytest.mark.parametrize(
    ("partitions", "told"),
    [
        (DAYS[:1], "toy/clean 2013-07-04 as in version 0."),
        (DAYS[:2], "toy/clean, 2 partitions, as in version 0."),
        (DAYS, "Version 0 of toy/clean, which has 2 of these 3 partitions."),
        (DAYS[2:], "Version 0 of toy/clean, which does not have this yet."),
    ],
)
def test_of_a_table_the_version_that_stands(
    history: dg.DagsterInstance, tables: TableStore, partitions: list[str], told: str
) -> None:
    assert served(history, tables, TABLE, partitions) == told


def test_of_a_record_when_it_was_published(history: dg.DagsterInstance, tables: TableStore) -> None:
    assert served(history, tables, RECORD, DAYS[:1]).startswith("toy/model 2013-07-04 as it was, published ")
    assert served(history, tables, RECORD, DAYS[1:2]) == "Nothing: toy/model 2013-07-05 has not been published."


def test_a_store_that_does_not_answer_holds_up_no_alert(history: dg.DagsterInstance, tmp_path: Path) -> None:
    place = {"data_uri": "s3://lake/x", "s3_endpoint_url": "http://127.0.0.1:9", "s3_retry_seconds": 0}
    settings = Settings(home=tmp_path, s3_access_key_id="a", s3_secret_access_key="b", **place)
    told = served(history, TableStore.from_settings(settings), TABLE, DAYS)
    assert told == "What was published before; the store cannot be asked now."
