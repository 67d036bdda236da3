"""The slowly changing registers as they are landed: airports, aircraft and carriers.

Belongs here: columns and types of the landed objects. Does not: what the cleaned tables promise (`contract`).
"""

import dataframely as dy

from ml_platform.contracts.columns import personal

LEADS_TO_AN_OWNER = personal("the public aircraft register names the owner of a registration")


class RawAirports(dy.Schema):
    """One airport of the register, untouched."""

    faa = dy.String(primary_key=True, description="Airport code.")
    name = dy.String(nullable=True, description="Name of the airport.")
    lat = dy.Float64(nullable=True, description="Latitude, degrees.")
    lon = dy.Float64(nullable=True, description="Longitude, degrees.")
    alt = dy.Int64(nullable=True, description="Altitude, feet.")
    tz = dy.Int64(nullable=True, description="Offset from UTC in winter, hours.")
    dst = dy.String(nullable=True, description="Daylight saving rule: A as in the United States, N none, U unknown.")
    tzone = dy.String(nullable=True, description="IANA time zone.")


class RawPlanes(dy.Schema):
    """One aircraft of the register, untouched."""

    tailnum = dy.String(primary_key=True, metadata=LEADS_TO_AN_OWNER, description="Registration.")
    year = dy.Int64(nullable=True, description="Year of manufacture.")
    type = dy.String(nullable=True, description="Type of aircraft.")
    manufacturer = dy.String(nullable=True, description="Manufacturer.")
    model = dy.String(nullable=True, description="Model.")
    engines = dy.Int64(nullable=True, description="Number of engines.")
    seats = dy.Int64(nullable=True, description="Number of seats.")
    speed = dy.Int64(nullable=True, description="Average cruising speed, mph.")
    engine = dy.String(nullable=True, description="Type of engine.")


class RawAirlines(dy.Schema):
    """One carrier, untouched."""

    carrier = dy.String(primary_key=True, description="Carrier code.")
    name = dy.String(nullable=True, description="Name of the carrier.")
