"""A toy use case by key: how full car parks are, one object for each, with numbers that can be checked by hand.

A park has a row every half hour of one morning, whose occupancy is 10, 20, 30 and so on of 100 places. What follows
from it is in the module itself, as it would be in the folder of a use case.
"""

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl

from ml_platform.components.use_case import UseCase
from ml_platform.data.component import DataPipeline, TableByDay
from ml_platform.data.pipeline import build_pipeline
from ml_platform.point_in_time.known_at import ALWAYS, known_at
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.resources import storage_resources
from ml_platform.storage.tables import TableStore
from ml_platform_tests.components import ticking
from ml_platform_tests.components.ticking import Ticked

OPENS_AT = dt.datetime(2016, 10, 4, 8, tzinfo=dt.UTC)
HALF_HOUR = dt.timedelta(minutes=30)
JOB, SENSOR = "build_parks_car_parks", "build_parks_car_parks_on_landing"
DAYS_JOB, DAYS_SENSOR = "build_parks_days", "build_parks_days_on_changed_keys"
LONG_AGO = 1_600_000_000.0
TABLES = ("raw", "clean", "quarantine", "occupied", "features")


class RawParks(dy.Schema):
    """One reading as delivered."""

    park = dy.String()
    capacity = dy.Int64()
    occupancy = dy.Int64()
    read_at = dy.Datetime(time_unit="us", time_zone="UTC")


class CleanParks(dy.Schema):
    """One reading of a car park."""

    car_park = dy.String(primary_key=True, metadata=ALWAYS)
    read_at = dy.Datetime(primary_key=True, time_unit="us", time_zone="UTC", metadata=ALWAYS)
    occupancy_share = dy.Float64(metadata=known_at("read_at"))

    @dy.rule()
    def no_more_cars_than_places(cls) -> pl.Expr:
        """A share is 0 to 1."""
        return cls.occupancy_share.col.is_between(0, 1)


class Occupied(dy.Schema):
    """One reading of a car park that is half full or more."""

    car_park = dy.String(primary_key=True)
    read_at = dy.Datetime(primary_key=True, time_unit="us", time_zone="UTC")


class ParkFeatures(dy.Schema):
    """One reading, and the share half an hour before."""

    car_park = dy.String(primary_key=True)
    read_at = dy.Datetime(primary_key=True, time_unit="us", time_zone="UTC")
    day = dy.Date()
    share_before = dy.Float64(nullable=True)


def clean_parks(source: pl.LazyFrame) -> pl.LazyFrame:
    """One clean row for each reading."""
    return source.select(car_park="park", read_at="read_at", occupancy_share=pl.col("occupancy") / pl.col("capacity"))


def half_full(source: pl.LazyFrame) -> pl.LazyFrame:
    """The readings at which half of the places or more are taken."""
    return source.filter(pl.col("occupancy_share") >= 0.5).select("car_park", "read_at")


def prediction_at() -> pl.Expr:
    """The instant of the reading before the one that is predicted."""
    return pl.col("read_at") - pl.duration(minutes=30)


def park_features(rows: pl.DataFrame, readings: pl.DataFrame) -> pl.DataFrame:
    """The share half an hour before."""
    before = readings.select("car_park", pl.col("read_at") + HALF_HOUR, share_before="occupancy_share")
    asked = rows.select("car_park", "read_at", day=pl.col("read_at").dt.date())
    return asked.join(before, on=["car_park", "read_at"], how="left")


class Parks(UseCase):
    """The use case, whose functions and contracts are in this module."""

    def resolve(self, reference: str) -> Any:
        """What `parks:<name>` means."""
        return globals()[reference.partition(":")[2]]


def use_case(**more: object) -> Parks:
    """A use case whose keys are car parks."""
    return Parks.model_validate(
        {
            "name": "parks",
            "description": "How full will it be?",
            "owners": ["team:parking"],
            "timezone": "Europe/London",
            "keys": "car_parks",
            "first_day": "2016-10-04",
            "first_as_of_month": "2016-12-01",
            **more,
        }
    )


def pipeline(**landed: object) -> DataPipeline:
    """Raw, clean, quarantine, derived and features, all by car park."""
    told = {"description": "Toy.", "partition_column": "car_park"}
    return DataPipeline.model_validate(
        {
            "landed": [
                {
                    "name": "raw",
                    "description": "Toy.",
                    "landing": "parking/{key}.csv",
                    "contract": "parks:RawParks",
                    "key_column": "park",
                    **landed,
                }
            ],
            "cleaned": [
                {
                    "name": "clean",
                    "source": "raw",
                    "function": "parks:clean_parks",
                    "contract": "parks:CleanParks",
                    "quarantine": "quarantine",
                    "reject_above": 0.5,
                    **told,
                }
            ],
            "derived": [
                {
                    "name": "occupied",
                    "source": "clean",
                    "function": "parks:half_full",
                    "contract": "parks:Occupied",
                    **told,
                }
            ],
            "features": [
                {
                    "name": "features",
                    "rows": "clean",
                    "prediction_at": "parks:prediction_at",
                    "function": "parks:park_features",
                    "inputs": [{"parameter": "readings", "table": "clean"}],
                    "contract": "parks:ParkFeatures",
                    **told,
                }
            ],
        }
    )


def pipeline_by_day(**changed: object) -> DataPipeline:
    """The same, and its features by day."""
    cut = {"name": "features_by_day", "description": "Toy.", "source": "features", "partition_column": "day", **changed}
    return pipeline().model_copy(update={"by_day": [TableByDay.model_validate(cut)]})


def park_object(park: str, occupancies: Sequence[int] = (10, 20, 30, 40, 50, 60), *, repeated: int = 0) -> bytes:
    """A reading every half hour of a park with 100 places, and the first of them so many times more."""
    at = [OPENS_AT + number * HALF_HOUR for number in range(len(occupancies))]
    rows = list(zip(at, occupancies, strict=True))
    rows = [*rows, *rows[:1] * repeated]
    quoted = '"' + park.replace('"', '""') + '"'
    lines = [f"{quoted},100,{taken},{instant:%Y-%m-%dT%H:%M:%SZ}" for instant, taken in rows]
    return "\n".join(["park,capacity,occupancy,read_at", *lines, ""]).encode()


class World(ticking.Sensors):
    """The use case on its own storage and instance, its sensor and the runs that it asks for."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, of: DataPipeline | None = None) -> None:
        """Nothing landed, and nothing was evaluated."""
        location = StorageLocation.of(settings)
        resources = dg.Definitions(resources=storage_resources(settings), executor=dg.in_process_executor)
        self.definitions = dg.Definitions.merge(build_pipeline(of or pipeline(), use_case()), resources)
        super().__init__(self.definitions, instance)
        self.settings, self.location = settings, location
        self.landing: ObjectStore = location.landing()
        self.tables: TableStore = location.tables()

    def land(self, park: str, data: bytes | None = None) -> None:
        """The object of one park, written long ago."""
        self.landing.write(f"parking/{park}.csv", park_object(park) if data is None else data)
        if self.settings.landing_uri.startswith("file://"):
            path = Path(self.landing.uri_of(f"parking/{park}.csv").removeprefix("file://"))
            os.utime(path, (LONG_AGO, LONG_AGO))

    def run(self, *, raise_on_error: bool = False, sensor: str = SENSOR, job_name: str = JOB) -> Ticked:
        """One tick of a sensor, that of landing unless told, and the runs that it asks for."""
        ticked = self.tick(sensor)
        job = self.definitions.resolve_job_def(job_name)
        for request in ticked.requests:
            job.execute_in_process(
                instance=self.instance,
                partition_key=request.partition_key,
                tags=dict(request.tags),
                asset_selection=request.asset_selection,
                raise_on_error=raise_on_error,
            )
        return ticked

    def cut(self) -> Ticked:
        """What landed built, then one tick of the sensor of tables by day, and its runs."""
        self.run(raise_on_error=True)
        return self.run(raise_on_error=True, sensor=DAYS_SENSOR, job_name=DAYS_JOB)

    def build(self, *keys: str, job_name: str = JOB) -> dg.ExecuteInProcessResult:
        """One run of a job, over one key or from the first to the last of several."""
        ends = {"start": keys[0], "end": keys[-1]} if len(keys) > 1 else {}
        return self.definitions.resolve_job_def(job_name).execute_in_process(
            instance=self.instance,
            partition_key=keys[0] if len(keys) == 1 else None,
            tags={f"dagster/asset_partition_range_{end}": key for end, key in ends.items()},
            raise_on_error=False,
        )

    @property
    def keys(self) -> list[str]:
        """The partitions, in the order in which they were added."""
        return list(self.instance.get_dynamic_partitions("parks_car_parks"))

    def published(self, table: str) -> list[str]:
        """The keys of which the table has something."""
        return sorted(self.tables.published(f"parks/{table}"))

    def rows(self, table: str, *keys: str) -> pl.DataFrame:
        """Rows of some keys."""
        return self.tables.scan(f"parks/{table}", partitions=keys).collect()
