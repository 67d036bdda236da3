"""Dagster runs on storage: a cleaned table with its quarantine, as the data location publishes them, and records."""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from ml_platform.data.pipeline import build_pipeline
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform.storage.tables import TableStore
from ml_platform_tests.data.landing_zone import flight_line, flights_object, land_days
from ml_platform_tests.data.test_pipeline import pipeline, use_case
from ml_platform_tests.faults.operation import ABSENT, Operation, Seen, digest, rows_of

DAYS = [dt.date(2013, 3, 5), dt.date(2013, 3, 6)]
RAW, CLEAN, QUARANTINE = "flights/raw", "flights/clean", "flights/quarantine"
THREE_DAYS_LATE = 60 * 24 * 3
SUMMARY, KEYS = "toy/summary", ("a", "b")


def _run(assets: Sequence[dg.AssetsDefinition], settings: Settings, names: Sequence[str], ends: Sequence[str]) -> str:
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            list(assets),
            selection=[dg.AssetKey(name.split("/")) for name in names],
            instance=instance,
            resources=storage_resources(settings),
            tags={
                f"dagster/asset_partition_range_{end}": key for end, key in zip(("start", "end"), ends, strict=False)
            },
        )
        events = result.get_asset_materialization_events()
        told = [(event.step_materialization_data.materialization) for event in events]
        return str([(each.label, each.partition, (each.tags or {}).get("dagster/data_version")) for each in told])


def _build_flights(settings: Settings, *names: str, days: Sequence[dt.date] = ()) -> str:
    defined = build_pipeline(pipeline(), use_case()).assets or ()
    assets = [each for each in defined if isinstance(each, dg.AssetsDefinition)]
    return _run(assets, settings, names, [str(day) for day in days])


def _land(settings: Settings, refused: int) -> None:
    """Two days; on the second 26 flights, of which the contract refuses so many."""
    landing = StorageLocation.of(settings).landing()
    land_days(landing, DAYS)
    more = [flight_line(DAYS[1], 200 + i, delay=THREE_DAYS_LATE if i < refused else 5) for i in range(10)]
    landing.write(f"flights/flights/{DAYS[1]}.csv", flights_object(DAYS[1], more))


def _cleaned_before(settings: Settings) -> None:
    _land(settings, refused=0)
    _build_flights(settings, "flights/airports_raw", "flights/airports", "flights/airports_quarantine")
    _build_flights(settings, RAW, CLEAN, QUARANTINE, days=DAYS)
    _land(settings, refused=1)
    _build_flights(settings, RAW, days=DAYS)


def _clean(settings: Settings) -> str:
    return _build_flights(settings, CLEAN, QUARANTINE, days=DAYS)


def _see_cleaned(settings: Settings) -> Seen:
    tables = TableStore.from_settings(settings)
    return {name: rows_of(tables, name) for name in (QUARANTINE, CLEAN)}


def _records(value: int) -> dg.AssetsDefinition:
    @dg.asset(
        key=SUMMARY.split("/"),
        partitions_def=dg.StaticPartitionsDefinition(list(KEYS)),
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_key="records",
    )
    def summary() -> dict[str, dict[str, int]]:
        return {key: {"value": value} for key in KEYS}

    return summary


def _first_records(settings: Settings) -> None:
    _run([_records(1)], settings, [SUMMARY], KEYS)


def _write_records(settings: Settings) -> str:
    return _run([_records(2)], settings, [SUMMARY], KEYS)


def _see_records(settings: Settings) -> Seen:
    store = StorageLocation.of(settings).artifacts()
    paths = {key: f"records/{SUMMARY}/{key}.json" for key in KEYS}
    return {key: digest(store.read(path)) if store.exists(path) else ABSENT for key, path in paths.items()}


OPERATIONS = {
    "clean two days, with quarantine": Operation(_cleaned_before, _clean, _see_cleaned),
    "write the records of a run": Operation(_first_records, _write_records, _see_records),
}
