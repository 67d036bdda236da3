"""Car parks: what counters say, cleaned, and features held against an oracle that reads every reading."""

import datetime as dt
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_platform.errors import DefinitionError
from ml_platform.online.declared import online_model
from ml_platform.point_in_time.audit import audit_knowledge
from ml_platform.point_in_time.features import KnownTable, build_features
from ml_platform.provenance.catalog import Catalog
from ml_platform.settings import PROJECT_ROOT
from ml_platform.use_cases.car_parks.cleaning import clean_readings, outlooks
from ml_platform.use_cases.car_parks.contract import OccupancyFeatures, Outlooks, Readings
from ml_platform.use_cases.car_parks.features import occupancy_features, prediction_at

KEY, PLACES = ["car_park", "local_date", "read_at", "horizon_minutes"], {"North": 200, "South": 400}
FIRST_DAY, DAYS = dt.date(2016, 10, 24), 12  # clocks are put back on the seventh


def raw_line(park: str = "North", cars: int = 50, at: str = "2016-10-24 08:01:12") -> dict[str, object]:
    """One line of the source."""
    return {"SystemCodeNumber": park, "Capacity": PLACES[park], "Occupancy": cars, "LastUpdated": at}


def clean(*lines: dict[str, object]) -> pl.DataFrame:
    """These lines as rows of `Readings`, whether they hold to it or not."""
    return clean_readings(pl.LazyFrame(lines)).collect()


@pytest.fixture(scope="module")
def readings() -> pl.DataFrame:
    """Twelve days of two car parks, one day of one missing, some minutes off the half hour."""
    clocks = [
        dt.datetime.combine(FIRST_DAY + dt.timedelta(days=day), dt.time(8))
        + dt.timedelta(minutes=30 * n + (7 * n) % 11)
        for day in range(DAYS)
        for n in range(18)
    ]
    lines = [
        raw_line(park, (37 * n * n + 11 * n) % PLACES[park], f"{clock:%Y-%m-%d %H:%M:%S}")
        for park in PLACES
        for n, clock in enumerate(clocks)
        if (park, clock.date()) != ("South", FIRST_DAY + dt.timedelta(days=3))
    ]
    return Readings.validate(clean(*lines))


@pytest.fixture(scope="module")
def rows(readings: pl.DataFrame) -> pl.DataFrame:
    return Outlooks.validate(outlooks(readings.lazy()).collect())


@pytest.fixture(scope="module")
def features(readings: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    known, asked = KnownTable(readings, Readings), KnownTable(rows, Outlooks)
    made = build_features(occupancy_features, spine=asked, inputs={"readings": known}, prediction_at=prediction_at)
    return OccupancyFeatures.validate(made)


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        ([raw_line(cars=-1)], {"cars|min": 1}),
        ([raw_line(cars=221)], {"cars_fit_into_the_car_park": 1}),
        ([raw_line(cars=220)], {}),
        ([raw_line(), raw_line(), raw_line()], {"reading_is_the_first_of_its_kind": 2}),
        ([raw_line(cars=50), raw_line(cars=51)], {"primary_key": 2}),
        ([raw_line(at="2016-10-24")], {"read_at|nullability": 1, "local_date|nullability": 1, "slot|nullability": 1}),
    ],
)
def test_what_a_counter_cannot_have_read_is_refused_by_its_rule(
    lines: Sequence[dict[str, object]], refused: dict[str, int]
) -> None:
    assert dict(Readings.filter(clean(*lines))[1].counts()) == refused


@pytest.mark.parametrize(
    ("at", "slot", "instant"),
    [
        ("2016-10-24 07:46:28", 16, dt.datetime(2016, 10, 24, 6, 46, 28, tzinfo=dt.UTC)),
        ("2016-10-24 08:14:59", 16, dt.datetime(2016, 10, 24, 7, 14, 59, tzinfo=dt.UTC)),
        ("2016-10-24 08:15:00", 17, dt.datetime(2016, 10, 24, 7, 15, tzinfo=dt.UTC)),
        ("2016-10-31 08:15:00", 17, dt.datetime(2016, 10, 31, 8, 15, tzinfo=dt.UTC)),
    ],
)
def test_a_reading_is_of_the_nearest_half_hour_on_local_clocks(at: str, slot: int, instant: dt.datetime) -> None:
    row = clean(raw_line(at=at)).row(0, named=True)
    assert (row["slot"], row["read_at"]) == (slot, instant)


def test_an_outlook_has_the_earlier_reading_of_the_half_hour_and_none_after_the_last() -> None:
    at = ("15:58:00", "16:29:00", "16:31:00")
    read = clean(*(raw_line(cars=cars, at=f"2016-10-24 {one}") for one, cars in zip(at, (10, 20, 30), strict=True)))
    found = outlooks(read.lazy()).collect()
    assert found.select("horizon_minutes", "percent_then").rows() == [(30, 10.0)]


def test_features_are_what_an_oracle_finds(readings: pl.DataFrame, rows: pl.DataFrame, features: pl.DataFrame) -> None:
    read, asked = readings.to_dicts(), rows.join(features, on=KEY, how="inner")
    assert features.height == rows.height
    for row in asked.sample(60, seed=1).to_dicts():
        for name, value in expected(row, read).items():
            found, wanted = (math.nan if each is None else each for each in (row[name], value))
            assert found == pytest.approx(wanted, rel=1e-5, abs=1e-4, nan_ok=True), (name, row)


def expected(row: dict[str, Any], read: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """The features of one row, by looking at every reading of its car park."""
    now, places = row["read_at"], PLACES[row["car_park"]]
    mine = [each for each in read if each["car_park"] == row["car_park"] and each["read_at"] <= now]

    def last(before: dt.timedelta) -> float | None:
        near = [each for each in mine if now - before - dt.timedelta(minutes=50) < each["read_at"] <= now - before]
        return float(max(near, key=lambda each: each["read_at"])["occupied_percent"]) if near else None

    def alike(slot: int, days: int) -> list[float]:
        back = (row["local_date"] - dt.timedelta(days=7 * n) for n in range(1, days // 7 + 1))
        days_alike = set(back)
        return [each["cars"] for each in mine if each["local_date"] in days_alike and each["slot"] == slot]

    def less(one: float | None, other: float | None) -> float | None:
        return None if one is None or other is None else one - other

    def week(slot: int) -> float | None:
        found = alike(slot, 7)
        return 100 * found[-1] / places if found else None

    def month(slot: int) -> float | None:
        found = alike(slot, 28)
        return 100 * sum(found) / len(found) / places if found else None

    percent = last(dt.timedelta(0))
    week_change, month_change = (less(of(row["slot_then"]), of(row["slot"])) for of in (week, month))
    assert percent is not None
    return {
        "places": places,
        "percent": percent,
        "change_30m": less(percent, last(dt.timedelta(minutes=15))),
        "change_60m": less(percent, last(dt.timedelta(minutes=45))),
        "percent_then_last_week": week(row["slot_then"]),
        "percent_as_last_week": None if week_change is None else percent + week_change,
        "percent_as_28d": None if month_change is None else percent + month_change,
    }


def test_features_do_not_change_when_the_future_is_hidden(
    readings: pl.DataFrame, rows: pl.DataFrame, features: pl.DataFrame
) -> None:
    audit = audit_knowledge(
        occupancy_features,
        built=features,
        key=KEY,
        spine=KnownTable(rows, Outlooks),
        inputs={"readings": KnownTable(readings, Readings)},
        prediction_at=prediction_at,
    )
    assert (audit.leaks, audit.rows_compared > 0) == ((), True)


def test_a_car_park_by_itself_has_the_features_that_it_has_among_others(
    readings: pl.DataFrame, rows: pl.DataFrame, features: pl.DataFrame
) -> None:
    alone = pl.col("car_park") == "South"
    known, asked = KnownTable(readings.filter(alone), Readings), KnownTable(rows.filter(alone), Outlooks)
    made = build_features(occupancy_features, spine=asked, inputs={"readings": known}, prediction_at=prediction_at)
    assert made.sort(KEY).equals(features.filter(alone).sort(KEY))


def test_the_model_reads_the_tables_by_day_and_leaves_out_what_their_source_does() -> None:
    catalog = Catalog(PROJECT_ROOT / "ml_platform" / "use_cases" / "car_parks")
    catalog.require_tables_by_day()
    labels = catalog.tables["car_parks/outlooks_by_day"]
    assert (labels.by, labels.made_from, labels.kind) == ("day", ("car_parks/outlooks",), "derived")
    assert labels.leaves_out == catalog.tables["car_parks/outlooks"].leaves_out != ""


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("training", r"car_parks/training/defs.yaml, models\[0\].features_table: .*'occupancy_features', which is by"),
        ("serving", r"car_parks/serving/defs.yaml, predictions.features: .* `source: occupancy_features` to by_day"),
    ],
)
def test_a_model_or_predictions_over_a_table_by_key_are_refused(tmp_path: Path, location: str, told: str) -> None:
    folder = Path(shutil.copytree(PROJECT_ROOT / "ml_platform" / "use_cases" / "car_parks", tmp_path / "car_parks"))
    declared = folder / location / "defs.yaml"
    declared.write_text(declared.read_text().replace("occupancy_features_by_day", "occupancy_features"))
    with pytest.raises(DefinitionError, match=told):
        Catalog(folder).require_tables_by_day()


def test_online_answers_are_refused_with_the_place_of_the_batch() -> None:
    with pytest.raises(DefinitionError, match=r"cut by day from tables by key\. .* car_parks/occupancy_predictions"):
        online_model("car_park_occupancy")
