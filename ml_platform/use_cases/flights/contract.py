"""What each table of the use case promises: grain, units, what null means, and when each column becomes known.

Belongs here: the tables. Does not: how a table is made (`cleaning`, `features`).
"""

from datetime import timedelta

import dataframely as dy
import polars as pl

from ml_platform.point_in_time.known_at import ALWAYS, NEVER, known_at
from ml_platform.use_cases.flights.cleaning import LATE_FROM_MINUTES, NEW_YORK
from ml_platform.use_cases.flights.registers import LEADS_TO_AN_OWNER

NEW_YORK_AIRPORTS = "^(EWR|JFK|LGA)$"

AT_DEPARTURE = known_at("departed_at")
AT_ARRIVAL = known_at("arrived_at")
AFTER_THE_HOUR = known_at("observed_hour_at", after=timedelta(hours=1))


class RawFlights(dy.Schema):
    """One line of the source's flight file, untouched: clock times are HHMM numbers, null is what the source lacks."""

    year = dy.Int64(nullable=True, description="Year of the New York service day.")
    month = dy.Int64(nullable=True, description="Month of the New York service day.")
    day = dy.Int64(nullable=True, description="Day of the New York service day.")
    dep_time = dy.Int64(nullable=True, description="Departure, New York clock, HHMM; null if cancelled.")
    sched_dep_time = dy.Int64(nullable=True, description="Scheduled departure, New York clock, HHMM.")
    dep_delay = dy.Int64(nullable=True, description="Departure delay, minutes; negative is early.")
    arr_time = dy.Int64(nullable=True, description="Arrival, destination's clock, HHMM.")
    sched_arr_time = dy.Int64(nullable=True, description="Scheduled arrival, destination's clock, HHMM.")
    arr_delay = dy.Int64(nullable=True, description="Arrival delay, minutes; null if cancelled or diverted.")
    carrier = dy.String(nullable=True, description="Carrier code.")
    flight = dy.Int64(nullable=True, description="Flight number.")
    tailnum = dy.String(
        nullable=True,
        metadata=LEADS_TO_AN_OWNER,
        description="Registration or fleet number of the aircraft that flew.",
    )
    origin = dy.String(nullable=True, description="Airport of departure.")
    dest = dy.String(nullable=True, description="Airport of destination.")
    air_time = dy.Int64(nullable=True, description="Time in the air, minutes.")
    distance = dy.Int64(nullable=True, description="Distance, miles.")
    hour = dy.Int64(nullable=True, description="Hour of scheduled departure, New York clock.")
    minute = dy.Int64(nullable=True, description="Minute of scheduled departure.")
    time_hour = dy.Datetime(
        nullable=True, time_zone="UTC", time_unit="us", description="Scheduled departure truncated to the hour, UTC."
    )


class RawWeather(dy.Schema):
    """One line of the source's weather file, untouched: New York hours, so one hour of November comes twice."""

    origin = dy.String(nullable=True, description="Airport of the station.")
    year = dy.Int64(nullable=True, description="Year, New York clock.")
    month = dy.Int64(nullable=True, description="Month, New York clock.")
    day = dy.Int64(nullable=True, description="Day, New York clock.")
    hour = dy.Int64(nullable=True, description="Hour, New York clock.")
    temp = dy.Float64(nullable=True, description="Temperature, °F.")
    dewp = dy.Float64(nullable=True, description="Dew point, °F.")
    humid = dy.Float64(nullable=True, description="Relative humidity, percent.")
    wind_dir = dy.Int64(nullable=True, description="Direction the wind blows from, degrees.")
    wind_speed = dy.Float64(nullable=True, description="Wind speed, mph.")
    wind_gust = dy.Float64(nullable=True, description="Gust speed, mph; null without gusts.")
    precip = dy.Float64(nullable=True, description="Precipitation, inches.")
    pressure = dy.Float64(nullable=True, description="Sea level pressure, millibars.")
    visib = dy.Float64(nullable=True, description="Visibility, miles.")
    time_hour = dy.Datetime(nullable=True, time_zone="UTC", time_unit="us", description="Start of the hour, UTC.")


class CleanFlights(dy.Schema):
    """One scheduled flight of a New York local service day; instants in UTC, delays in minutes, negative is early."""

    service_date = dy.Date(primary_key=True, metadata=ALWAYS, description="New York local date of scheduled departure.")
    carrier = dy.String(primary_key=True, regex=r"^[A-Z0-9]{2}$", metadata=ALWAYS, description="Carrier code.")
    flight_number = dy.Int64(primary_key=True, min=1, metadata=ALWAYS, description="Flight number of the carrier.")
    origin = dy.String(primary_key=True, regex=NEW_YORK_AIRPORTS, metadata=ALWAYS, description="Airport of departure.")
    scheduled_departure_at = dy.Datetime(
        primary_key=True, time_zone="UTC", time_unit="us", metadata=ALWAYS, description="Scheduled departure."
    )
    destination = dy.String(regex=r"^[A-Z]{3}$", metadata=ALWAYS, description="Airport of destination.")
    distance_miles = dy.Int64(min=1, metadata=ALWAYS, description="Distance between the airports.")
    scheduled_departure_minute_of_day = dy.Int64(
        min=0, max=1439, metadata=ALWAYS, description="Scheduled departure, minutes since midnight in New York."
    )
    scheduled_arrival_at = dy.Datetime(
        time_zone="UTC", time_unit="us", metadata=ALWAYS, description="Scheduled arrival, within a day of departure."
    )
    scheduled_minutes = dy.Int64(metadata=ALWAYS, description="From scheduled departure to scheduled arrival.")
    departed_at = dy.Datetime(
        nullable=True, time_zone="UTC", time_unit="us", metadata=AT_DEPARTURE, description="Null if cancelled."
    )
    departure_delay_minutes = dy.Int64(
        nullable=True, metadata=AT_DEPARTURE, description="Departure less its schedule; null if cancelled."
    )
    arrived_at = dy.Datetime(
        nullable=True,
        time_zone="UTC",
        time_unit="us",
        metadata=AT_ARRIVAL,
        description="Null if cancelled or diverted.",
    )
    arrival_delay_minutes = dy.Int64(
        nullable=True, metadata=AT_ARRIVAL, description="Arrival less its schedule; null if cancelled or diverted."
    )
    air_time_minutes = dy.Int64(
        nullable=True, min=1, metadata=AT_ARRIVAL, description="Time in the air; null if cancelled or diverted."
    )
    tail_number = dy.String(
        nullable=True,
        metadata={**AT_DEPARTURE, **LEADS_TO_AN_OWNER},
        description="Aircraft that flew, which swaps decide as late as departure.",
    )
    is_cancelled = dy.Bool(metadata=NEVER, description="Never departed. When that was announced is not recorded.")
    is_diverted = dy.Bool(metadata=NEVER, description="Departed, and has no arrival at its destination.")

    @dy.rule()
    def scheduled_times_are_valid(cls) -> pl.Expr:
        """The clock time, the instant and the service day agree, and the flight takes 20 minutes to 18 hours."""
        local = pl.col("scheduled_departure_at").dt.convert_time_zone(NEW_YORK).dt
        minute_of_day = local.hour().cast(pl.Int64) * 60 + local.minute()
        return (
            (local.date() == pl.col("service_date"))
            & (minute_of_day == pl.col("scheduled_departure_minute_of_day"))
            & pl.col("scheduled_minutes").is_between(20, 18 * 60)
        ).fill_null(False)

    @dy.rule()
    def departure_delay_is_plausible(cls) -> pl.Expr:
        """No more than two hours early, which is when predictions are made, and no more than two days late."""
        return pl.col("departure_delay_minutes").is_between(-119, 2 * 24 * 60)

    @dy.rule()
    def arrival_delay_is_plausible(cls) -> pl.Expr:
        """No more than three hours early and no more than two days late."""
        return pl.col("arrival_delay_minutes").is_between(-3 * 60, 2 * 24 * 60)

    @dy.rule()
    def arrival_follows_departure(cls) -> pl.Expr:
        """A flight that arrived has departed before."""
        return pl.col("arrived_at").is_null() | (pl.col("departed_at") < pl.col("arrived_at")).fill_null(False)

    @dy.rule()
    def outcome_is_consistent(cls) -> pl.Expr:
        """A flight without departure is cancelled, one with departure and without arrival is diverted, no other is."""
        departed, arrived = pl.col("departed_at").is_not_null(), pl.col("arrived_at").is_not_null()
        return (pl.col("is_cancelled") == ~departed) & (pl.col("is_diverted") == (departed & ~arrived))


class CleanWeather(dy.Schema):
    """One hour at one New York airport, known one hour after it starts; partitioned by its New York local date."""

    service_date = dy.Date(metadata=AFTER_THE_HOUR, description="New York local date of the hour.")
    origin = dy.String(
        primary_key=True, regex=NEW_YORK_AIRPORTS, metadata=AFTER_THE_HOUR, description="Airport of the station."
    )
    observed_hour_at = dy.Datetime(
        primary_key=True, time_zone="UTC", time_unit="us", metadata=AFTER_THE_HOUR, description="Start of the hour."
    )
    temperature_fahrenheit = dy.Float64(
        nullable=True, min=-60, max=130, metadata=AFTER_THE_HOUR, description="Temperature of the air."
    )
    dew_point_fahrenheit = dy.Float64(
        nullable=True, min=-80, max=100, metadata=AFTER_THE_HOUR, description="Temperature at which dew forms."
    )
    relative_humidity_percent = dy.Float64(
        nullable=True, min=0, max=100, metadata=AFTER_THE_HOUR, description="Relative humidity."
    )
    wind_direction_degrees = dy.Int64(
        nullable=True, min=0, max=360, metadata=AFTER_THE_HOUR, description="Origin of the wind; null if variable."
    )
    wind_speed_mph = dy.Float64(nullable=True, metadata=AFTER_THE_HOUR, description="Mean speed of the wind.")
    wind_gust_mph = dy.Float64(nullable=True, metadata=AFTER_THE_HOUR, description="Null without gusts.")
    precipitation_inches = dy.Float64(
        nullable=True, min=0, max=20, metadata=AFTER_THE_HOUR, description="Precipitation of the hour."
    )
    pressure_millibars = dy.Float64(
        nullable=True, min=850, max=1090, metadata=AFTER_THE_HOUR, description="Pressure at sea level."
    )
    visibility_miles = dy.Float64(
        nullable=True, min=0, metadata=AFTER_THE_HOUR, description="How far one sees; ten is the most that is reported."
    )

    @dy.rule()
    def wind_speed_is_plausible(cls) -> pl.Expr:
        """Neither wind nor gusts are negative or above 250 mph, which no station has ever recorded."""
        return pl.all_horizontal(pl.col("wind_speed_mph", "wind_gust_mph").is_between(0, 250).fill_null(True))

    @dy.rule()
    def hour_belongs_to_service_date(cls) -> pl.Expr:
        """The instant is a full hour, and falls on the service date in New York."""
        hour = pl.col("observed_hour_at")
        on_the_hour = hour == hour.dt.truncate("1h")
        return on_the_hour & (hour.dt.convert_time_zone(NEW_YORK).dt.date() == pl.col("service_date"))


class Airports(dy.Schema):
    """One airport of the United States as the airport list has it; the list is incomplete."""

    airport = dy.String(primary_key=True, metadata=ALWAYS, description="Airport code.")
    name = dy.String(metadata=ALWAYS, description="Name of the airport.")
    latitude_degrees = dy.Float64(min=-90, max=90, metadata=ALWAYS, description="Latitude; north is positive.")
    longitude_degrees = dy.Float64(min=-180, max=180, metadata=ALWAYS, description="Longitude; east is positive.")
    altitude_feet = dy.Int64(metadata=ALWAYS, description="Altitude of the airfield.")
    time_zone = dy.String(nullable=True, metadata=ALWAYS, description="IANA time zone; null for three small airports.")


class Planes(dy.Schema):
    """One aircraft of the register, which lacks 15.6 % of the flights; a snapshot, so not for features."""

    tail_number = dy.String(primary_key=True, metadata=LEADS_TO_AN_OWNER, description="Registration.")
    manufactured_year = dy.Int64(nullable=True, min=1900, max=2100, description="Year built; null if not registered.")
    aircraft_type = dy.String(description="Kind of aircraft, such as fixed wing with several engines.")
    manufacturer = dy.String(description="Who built it, as registered.")
    model = dy.String(description="Model, as registered.")
    engine_count = dy.Int64(min=1, description="Number of engines.")
    seat_count = dy.Int64(min=1, description="Number of seats.")
    cruising_speed_mph = dy.Int64(nullable=True, min=1, description="Null for all but 23 aircraft.")
    engine_type = dy.String(description="Kind of engine, such as turbo-fan.")


class Airlines(dy.Schema):
    """One carrier."""

    carrier = dy.String(primary_key=True, regex=r"^[A-Z0-9]{2}$", metadata=ALWAYS, description="Carrier code.")
    name = dy.String(metadata=ALWAYS, description="Name of the carrier.")


class DelayLabels(dy.Schema):
    """One flight that arrived, and whether it was late; cancelled and diverted flights have no label and no row."""

    service_date = dy.Date(primary_key=True, metadata=ALWAYS, description="New York local date of scheduled departure.")
    carrier = dy.String(primary_key=True, metadata=ALWAYS, description="Carrier code.")
    flight_number = dy.Int64(primary_key=True, metadata=ALWAYS, description="Flight number of the carrier.")
    origin = dy.String(primary_key=True, metadata=ALWAYS, description="Airport of departure.")
    scheduled_departure_at = dy.Datetime(
        primary_key=True, time_zone="UTC", time_unit="us", metadata=ALWAYS, description="Scheduled departure."
    )
    arrival_delay_minutes = dy.Int64(metadata=known_at("known_at"), description="Arrival less its schedule.")
    is_late = dy.Bool(metadata=known_at("known_at"), description="Arrived 15 minutes late or more.")
    known_at = dy.Datetime(
        time_zone="UTC", time_unit="us", metadata=known_at("known_at"), description="Arrival, when the label is known."
    )

    @dy.rule()
    def lateness_follows_from_the_delay(cls) -> pl.Expr:
        """Late is a delay of 15 minutes or more."""
        return pl.col("is_late") == (pl.col("arrival_delay_minutes") >= LATE_FROM_MINUTES)


AT_PREDICTION = known_at("prediction_at")


def _feature(description: str) -> dy.Float32:
    """A number known at the prediction time; null where nothing was known in its window."""
    return dy.Float32(nullable=True, allow_inf=False, allow_nan=False, metadata=AT_PREDICTION, description=description)


class DelayFeatures(dy.Schema):
    """One scheduled flight as it looked two hours before scheduled departure; delays in minutes, shares from 0 to 1.

    A width at the end of a name is the window before the prediction time in which the delays became known. A share is
    of flights late by 15 minutes or more. Overdue: scheduled in the last six hours, not departed. Stuck: overdue for
    two to 24 hours. A flight is one flight number of a carrier at its origin.
    """

    service_date = dy.Date(primary_key=True, metadata=ALWAYS, description="New York local date of scheduled departure.")
    carrier = dy.String(primary_key=True, metadata=ALWAYS, description="Carrier code.")
    flight_number = dy.Int64(primary_key=True, metadata=ALWAYS, description="Flight number of the carrier.")
    origin = dy.String(primary_key=True, metadata=ALWAYS, description="Airport of departure.")
    scheduled_departure_at = dy.Datetime(
        primary_key=True, time_zone="UTC", time_unit="us", metadata=ALWAYS, description="Scheduled departure."
    )
    prediction_at = dy.Datetime(
        time_zone="UTC", time_unit="us", metadata=ALWAYS, description="Two hours before scheduled departure."
    )
    scheduled_hour = dy.Int16(min=0, max=23, metadata=ALWAYS, description="Hour of scheduled departure in New York.")
    weekday = dy.Int16(min=1, max=7, metadata=ALWAYS, description="Day of the week of the service date; Monday is 1.")
    scheduled_minute_of_day = dy.Float32(metadata=ALWAYS, description="Scheduled departure, minutes since midnight.")
    distance_miles = dy.Float32(metadata=ALWAYS, description="Distance between the airports.")
    scheduled_minutes = dy.Float32(metadata=ALWAYS, description="From scheduled departure to scheduled arrival.")
    same_hour_flights = dy.Float32(metadata=ALWAYS, description="Flights scheduled from the origin in the same hour.")
    temperature_fahrenheit = _feature("Temperature at the origin, last hour known within six.")
    dew_point_fahrenheit = _feature("Dew point at the origin, last hour known within six.")
    wind_direction_degrees = _feature("Direction of the wind at the origin, last hour known within six.")
    wind_speed_mph = _feature("Wind speed at the origin, last hour known within six.")
    visibility_miles = _feature("Visibility at the origin, last hour known within six.")
    precipitation_inches = _feature("Precipitation at the origin, last hour known within six.")
    precipitation_inches_6h = _feature("Precipitation at the origin, sum of the hours known in the last six.")
    flight_previous_delay_minutes = _feature("Arrival delay of the latest arrival of this flight within eight days.")
    network_arrival_delay_minutes_1d = _feature("Mean arrival delay, all flights.")
    network_arrival_late_share_4h = _feature("Share of late arrivals, all flights.")
    carrier_arrival_delay_minutes_4h = _feature("Mean arrival delay, same carrier.")
    carrier_arrival_delay_minutes_1d = _feature("Mean arrival delay, same carrier.")
    carrier_arrival_late_share_4h = _feature("Share of late arrivals, same carrier.")
    carrier_arrival_late_share_7d = _feature("Share of late arrivals, same carrier.")
    carrier_arrival_late_share_28d = _feature("Share of late arrivals, same carrier.")
    origin_arrival_delay_minutes_4h = _feature("Mean arrival delay, same origin.")
    origin_arrival_late_share_7d = _feature("Share of late arrivals, same origin.")
    destination_arrival_delay_minutes_6h = _feature("Mean arrival delay, same destination.")
    destination_arrival_delay_minutes_1d = _feature("Mean arrival delay, same destination.")
    destination_arrival_delay_minutes_7d = _feature("Mean arrival delay, same destination.")
    destination_arrival_late_share_1d = _feature("Share of late arrivals, same destination.")
    route_arrival_delay_minutes_28d = _feature("Mean arrival delay, same carrier, origin and destination.")
    route_arrival_late_share_7d = _feature("Share of late arrivals, same carrier, origin and destination.")
    flight_arrival_delay_minutes_7d = _feature("Mean arrival delay, same flight.")
    flight_arrival_late_share_7d = _feature("Share of late arrivals, same flight.")
    flight_arrival_late_share_28d = _feature("Share of late arrivals, same flight.")
    origin_hour_arrival_late_share_28d = _feature("Share of late arrivals, same origin and scheduled hour.")
    carrier_hour_arrival_late_share_28d = _feature("Share of late arrivals, same carrier and scheduled hour.")
    network_departure_delay_minutes_1h = _feature("Mean departure delay, all flights.")
    network_departure_late_share_1h = _feature("Share of late departures, all flights.")
    network_departure_late_share_4h = _feature("Share of late departures, all flights.")
    origin_departure_delay_minutes_2h = _feature("Mean departure delay, same origin.")
    origin_departure_late_share_1h = _feature("Share of late departures, same origin.")
    origin_departure_late_share_4h = _feature("Share of late departures, same origin.")
    carrier_departure_late_share_2h = _feature("Share of late departures, same carrier.")
    carrier_origin_departure_delay_minutes_2h = _feature("Mean departure delay, same carrier and origin.")
    carrier_origin_departure_late_share_2h = _feature("Share of late departures, same carrier and origin.")
    destination_departure_late_share_6h = _feature("Share of late departures, same destination.")
    network_overdue_flights = _feature("Flights overdue, all.")
    network_overdue_minutes = _feature("Minutes that all overdue flights have been overdue together.")
    network_stuck_flights = _feature("Flights stuck, all.")
    origin_overdue_flights = _feature("Flights overdue, same origin.")
    origin_overdue_minutes = _feature("Minutes that overdue flights have been overdue together, same origin.")
    origin_stuck_flights = _feature("Flights stuck, same origin.")
    carrier_overdue_minutes = _feature("Minutes that overdue flights have been overdue together, same carrier.")
    carrier_stuck_flights = _feature("Flights stuck, same carrier.")
    carrier_origin_overdue_minutes = _feature("Minutes overdue together, same carrier and origin.")
    destination_overdue_flights = _feature("Flights overdue, same destination.")
    destination_stuck_flights = _feature("Flights stuck, same destination.")
