"""The features of one flight, slowly: every past flight is looked at, and only what the names say is computed."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

FEATURE = re.compile(
    r"(?P<group>\w+?)_(?P<kind>arrival|departure)_(?P<what>delay_minutes|late_share)_(?P<width>\d+)(?P<unit>[hd])"
)
WAITING = re.compile(r"(?P<group>\w+?)_(?P<state>overdue|stuck)_(?P<what>flights|minutes)")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "network": (),
    "carrier": ("carrier",),
    "origin": ("origin",),
    "destination": ("destination",),
    "carrier_origin": ("carrier", "origin"),
    "route": ("carrier", "origin", "destination"),
    "flight": ("carrier", "flight_number", "origin"),
    "origin_hour": ("origin", "hour"),
    "carrier_hour": ("carrier", "hour"),
}
OPEN = {"overdue": (timedelta(0), timedelta(hours=6)), "stuck": (timedelta(hours=2), timedelta(hours=24))}
MINUTE = timedelta(minutes=1)

Row = Mapping[str, Any]


def expected(name: str, row: Row, flights: Sequence[Row], weather: Sequence[Row]) -> float | None:
    """The value of feature `name` for the flight `row`, predicted two hours before its scheduled departure."""
    now = row["scheduled_departure_at"] - timedelta(hours=2)
    if match := FEATURE.fullmatch(name):
        width = timedelta(**{"hours" if match["unit"] == "h" else "days": int(match["width"])})
        peers = _peers(match["group"], row, flights)
        return _delay(match["kind"], match["what"], peers, now, width)
    if match := WAITING.fullmatch(name):
        return _waiting(match["state"], match["what"], _peers(match["group"], row, flights), now)
    if name == "flight_previous_delay_minutes":
        return _previous(_peers("flight", row, flights), now)
    if name == "same_hour_flights":
        same = ("service_date", "origin", "hour")
        return sum(all(_value(f, column) == _value(row, column) for column in same) for f in flights)
    return _weather(name, [hour for hour in weather if hour["origin"] == row["origin"]], now)


def _value(flight: Row, column: str) -> object:
    return flight["scheduled_departure_minute_of_day"] // 60 if column == "hour" else flight[column]


def _peers(group: str, row: Row, flights: Sequence[Row]) -> list[Row]:
    return [f for f in flights if all(_value(f, column) == _value(row, column) for column in GROUPS[group])]


def _delay(kind: str, what: str, peers: Sequence[Row], now: datetime, width: timedelta) -> float | None:
    happened = "arrived_at" if kind == "arrival" else "departed_at"
    delays = [f[f"{kind}_delay_minutes"] for f in peers if f[happened] and now - width < f[happened] <= now]
    values = [delay >= 15 for delay in delays] if what == "late_share" else delays
    return sum(values) / len(values) if values else None


def _waiting(state: str, what: str, peers: Sequence[Row], now: datetime) -> float:
    first, last = OPEN[state]
    not_departed = [f for f in peers if not f["departed_at"] or f["departed_at"] > now]
    ages = [now - f["scheduled_departure_at"] for f in not_departed]
    waiting = [age for age in ages if first <= age < last]
    return len(waiting) if what == "flights" else sum(age // MINUTE for age in waiting)


def _previous(peers: Sequence[Row], now: datetime) -> float | None:
    seen = [f for f in peers if f["arrived_at"] and now - timedelta(days=8) < f["arrived_at"] <= now]
    return max(((f["arrived_at"], f["arrival_delay_minutes"]) for f in seen), default=(None, None))[1]


def _weather(name: str, hours: Sequence[Row], now: datetime) -> float | None:
    known = [h for h in hours if now - timedelta(hours=6) < h["observed_hour_at"] + timedelta(hours=1) <= now]
    if name == "precipitation_inches_6h":
        return sum(round(h["precipitation_inches"] * 100) for h in known) / 100 if known else None
    return max(known, key=lambda h: h["observed_hour_at"])[name] if known else None
