"""The toy world: a few flights and hours of weather whose numbers can be checked by hand.

All days are in winter, when New York is five hours behind UTC: a flight at 12:00 local departs at 17:00 UTC. Every
flight is scheduled for 60 minutes, and every delay is in minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import dataframely as dy
import polars as pl

from ml_platform.use_cases.flights.contract import CleanFlights, CleanWeather, RawFlights, RawWeather

FIRST_DAY = date(2013, 1, 10)
UTC_AHEAD = timedelta(hours=5)
SCHEDULED_MINUTES = 60
NEVER = None


@dataclass(frozen=True)
class Flight:
    """One scheduled flight; `departure_delay=NEVER` is cancelled, only `arrival_delay=NEVER` is diverted."""

    clock: str = "12:00"
    day: int = 0
    carrier: str = "AA"
    number: int = 1
    origin: str = "JFK"
    destination: str = "BOS"
    departure_delay: int | None = 0
    arrival_delay: int | None = 0

    @property
    def service_date(self) -> date:
        """The New York local date of scheduled departure."""
        return FIRST_DAY + timedelta(days=self.day)

    @property
    def scheduled_departure_at(self) -> datetime:
        """The instant of scheduled departure."""
        return datetime.combine(self.service_date, time.fromisoformat(self.clock), UTC) + UTC_AHEAD


def instant(clock: str, day: int = 0) -> datetime:
    """The instant of a New York clock time on a day of the toy world."""
    return Flight(clock, day).scheduled_departure_at


def clean_flights(*flights: Flight) -> pl.DataFrame:
    """Rows of `CleanFlights`; unless told otherwise, three flights from JFK: on time, 20 minutes late, cancelled."""
    told = flights or (
        Flight("08:00", number=1),
        Flight("10:00", number=2, departure_delay=20, arrival_delay=20),
        Flight("11:00", number=3, departure_delay=NEVER, arrival_delay=NEVER),
    )
    return _frame(CleanFlights, [_clean_flight(flight) for flight in told])


def flights_with_a_gap() -> pl.DataFrame:
    """One flight at noon of each of ten days, 10 minutes late on day 1, 20 on day 2 and so on; none on days 4 and 5."""
    days = [day for day in range(10) if day not in (4, 5)]
    return clean_flights(*(Flight(day=day, departure_delay=10 * day, arrival_delay=10 * day) for day in days))


def hourly_weather(days: int = 1, origins: Sequence[str] = ("JFK",)) -> pl.DataFrame:
    """Rows of `CleanWeather`: the temperature is the hour of the New York day, and it rains 0.01 inches every hour."""
    hours = [(origin, day, hour) for origin in origins for day in range(days) for hour in range(24)]
    return _frame(CleanWeather, [_clean_hour(origin, day, hour) for origin, day, hour in hours])


def raw_flight(**changes: object) -> pl.DataFrame:
    """One row of `RawFlights`: American 1 from JFK at 09:00, two minutes late, in Los Angeles at 12:05 for 12:10."""
    row = {
        "year": 2013, "month": 1, "day": 10, "dep_time": 902, "sched_dep_time": 900, "dep_delay": 2,
        "arr_time": 1205, "sched_arr_time": 1210, "arr_delay": -5, "carrier": "AA", "flight": 1, "tailnum": "N1AA",
        "origin": "JFK", "dest": "LAX", "air_time": 330, "distance": 2475, "hour": 9, "minute": 0,
        "time_hour": datetime(2013, 1, 10, 14, tzinfo=UTC),
    }  # fmt: skip
    return _frame(RawFlights, [row | changes])


def raw_hour(**changes: object) -> pl.DataFrame:
    """One row of `RawWeather`: JFK at 09:00."""
    row = {
        "origin": "JFK", "year": 2013, "month": 1, "day": 10, "hour": 9, "temp": 39.0, "dewp": 27.0, "humid": 60.0,
        "wind_dir": 270, "wind_speed": 10.0, "wind_gust": None, "precip": 0.0, "pressure": 1012.0, "visib": 10.0,
        "time_hour": datetime(2013, 1, 10, 14, tzinfo=UTC),
    }  # fmt: skip
    return _frame(RawWeather, [row | changes])


def airports() -> pl.LazyFrame:
    """The airports that raw flights go to, as `Airports` has them, without Puerto Rico."""
    zones = {"LAX": "America/Los_Angeles", "BOS": "America/New_York", "ORD": "America/Chicago", "LRO": None}
    return pl.LazyFrame({"airport": list(zones), "time_zone": list(zones.values())})


def _clean_flight(flight: Flight) -> dict[str, object]:
    departs = flight.scheduled_departure_at
    arrives = departs + timedelta(minutes=SCHEDULED_MINUTES)
    arrival_delay = None if flight.departure_delay is None else flight.arrival_delay
    local = time.fromisoformat(flight.clock)
    return {
        "service_date": flight.service_date,
        "carrier": flight.carrier,
        "flight_number": flight.number,
        "origin": flight.origin,
        "scheduled_departure_at": departs,
        "destination": flight.destination,
        "distance_miles": 200,
        "scheduled_departure_minute_of_day": local.hour * 60 + local.minute,
        "scheduled_arrival_at": arrives,
        "scheduled_minutes": SCHEDULED_MINUTES,
        "departed_at": _delayed(departs, flight.departure_delay),
        "departure_delay_minutes": flight.departure_delay,
        "arrived_at": _delayed(arrives, arrival_delay),
        "arrival_delay_minutes": arrival_delay,
        "air_time_minutes": None if arrival_delay is None else 40,
        "tail_number": None if flight.departure_delay is None else "N1AA",
        "is_cancelled": flight.departure_delay is None,
        "is_diverted": flight.departure_delay is not None and arrival_delay is None,
    }


def _clean_hour(origin: str, day: int, hour: int) -> dict[str, object]:
    starts = instant("00:00", day) + timedelta(hours=hour)
    return {
        "service_date": FIRST_DAY + timedelta(days=day),
        "origin": origin,
        "observed_hour_at": starts,
        "temperature_fahrenheit": float(hour),
        "dew_point_fahrenheit": float(hour) - 10,
        "relative_humidity_percent": 50.0,
        "wind_direction_degrees": 270,
        "wind_speed_mph": 10.0,
        "wind_gust_mph": None,
        "precipitation_inches": 0.01,
        "pressure_millibars": 1012.0,
        "visibility_miles": 10.0,
    }


def _delayed(instant: datetime, minutes: int | None) -> datetime | None:
    return None if minutes is None else instant + timedelta(minutes=minutes)


def _frame(schema: type[dy.Schema], rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={name: column.dtype for name, column in schema.columns().items()})
