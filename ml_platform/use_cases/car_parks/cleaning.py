"""From what the counters say to what the contracts promise: one clean row for each raw row, whatever it holds.

Belongs here: names, units, instants, half hours, and what was read later. Does not: refusing rows.
"""

import polars as pl

BIRMINGHAM = "Europe/London"
MINUTES_OF_SLOT = 30
LAST_SLOT = 33
"""The half hour of 16:30, the last in which counters are read."""
HORIZONS = (30, 60, 120)
"""Minutes after a reading that are forecast."""


def clean_readings(raw: pl.LazyFrame) -> pl.LazyFrame:
    """One row of `Readings` for each row of `RawReadings`.

    Counters are read up to a quarter of an hour off the half hour, so the nearest one is told beside the instant.
    """
    clock = pl.col("LastUpdated").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    minutes = clock.dt.hour().cast(pl.Int32) * 60 + clock.dt.minute()
    local = clock.dt.replace_time_zone(BIRMINGHAM, ambiguous="earliest", non_existent="null")
    return raw.select(
        car_park="SystemCodeNumber",
        read_at=local.dt.convert_time_zone("UTC"),
        delivery=pl.int_range(1, pl.len() + 1).over("SystemCodeNumber", "LastUpdated", "Capacity", "Occupancy"),
        local_date=clock.dt.date(),
        slot=((minutes + MINUTES_OF_SLOT // 2) // MINUTES_OF_SLOT).cast(pl.Int16),
        places="Capacity",
        cars="Occupancy",
        occupied_percent=100 * pl.col("Occupancy") / pl.col("Capacity"),
    )


def outlooks(readings: pl.LazyFrame) -> pl.LazyFrame:
    """One row of `Outlooks` for each reading and horizon that ends while counters are still read.

    Of two readings at one half hour, the earlier is what was read then.
    """
    slot = pl.col("slot") + (pl.col("horizon_minutes") // MINUTES_OF_SLOT).cast(pl.Int16)
    horizons = pl.LazyFrame({"horizon_minutes": HORIZONS}, schema={"horizon_minutes": pl.Int16})
    asked = readings.join(horizons, how="cross").select(
        "car_park", "read_at", "horizon_minutes", "local_date", slot_then=slot, slot="slot"
    )
    then = readings.sort("read_at").unique(["car_park", "local_date", "slot"], keep="first")
    then = then.select("car_park", "local_date", then_at="read_at", percent_then="occupied_percent", slot_then="slot")
    found = asked.filter(pl.col("slot_then") <= LAST_SLOT)
    return found.join(then, on=["car_park", "local_date", "slot_then"], how="left")
