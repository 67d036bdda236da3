"""A small landing zone of flights and weather, as the upstream writes it, with numbers that can be checked by hand."""

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from ml_platform.storage.objects import ObjectStore

NEW_YORK = ZoneInfo("America/New_York")
FLIGHT_COLUMNS = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,"
    "dest,air_time,distance,hour,minute,time_hour"
)
WEATHER_COLUMNS = (
    "origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour"
)
HOURS = range(6, 22)


def flight_line(day: dt.date, number: int, *, delay: int = 5, hour: int = 6, origin: str = "EWR") -> str:
    """A flight of AA to Chicago at `hour`:00, one and a half hours long by the local clocks, `delay` minutes late."""
    at = dt.datetime.combine(day, dt.time(hour), NEW_YORK).astimezone(dt.UTC)
    departure, arrival = hour * 100 + delay % 60, (hour + 1) * 100 + 30
    return (
        f"{day.year},{day.month},{day.day},{departure},{hour * 100},{delay},{arrival},{arrival},{delay},AA,{number},"
        f"N{number},{origin},ORD,120,719,{hour},0,{at:%Y-%m-%dT%H:%M:%SZ}"
    )


def flights_object(day: dt.date, extra: Sequence[str] = ()) -> bytes:
    """One flight an hour from 06:00 to 21:00, the n-th of them n minutes late, and the lines in `extra`."""
    lines = [flight_line(day, 100 + i, delay=i, hour=hour) for i, hour in enumerate(HOURS)]
    return "\n".join([FLIGHT_COLUMNS, *lines, *extra, ""]).encode()


def weather_object(day: dt.date, *, wind_speed_mph: float = 10.5) -> bytes:
    """24 hours at Newark, every one of them alike."""
    hours = [dt.datetime.combine(day, dt.time(hour), NEW_YORK) for hour in range(24)]
    lines = [
        f"EWR,{day.year},{day.month},{day.day},{at.hour},39.02,26.06,59.37,270,{wind_speed_mph},NA,0,1012,10,"
        f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
        for at in hours
    ]
    return "\n".join([WEATHER_COLUMNS, *lines, ""]).encode()


def land_days(landing: ObjectStore, days: Sequence[dt.date]) -> None:
    """The registers, and flights and weather of `days`."""
    landing.write(
        "flights/airports.csv",
        b"faa,name,lat,lon,alt,tz,dst,tzone\nORD,Chicago Ohare Intl,41.97,-87.9,668,-6,A,America/Chicago\n",
    )
    landing.write("flights/airlines.csv", b"carrier,name\nAA,American Airlines Inc.\n")
    landing.write(
        "flights/planes.csv",
        b"tailnum,year,type,manufacturer,model,engines,seats,speed,engine\n"
        b"N100,2004,Fixed wing,BOEING,737-800,2,149,NA,Turbo-fan\n",
    )
    for day in days:
        landing.write(f"flights/flights/{day}.csv", flights_object(day))
        landing.write(f"flights/weather/{day}.csv", weather_object(day))
