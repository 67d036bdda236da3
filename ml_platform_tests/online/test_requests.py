"""What a request may say, and what is said of one that says something else."""

import json

import pytest

from ml_platform.errors import RequestRefusedError
from ml_platform.online.requests import RowRequests
from ml_platform_tests.online.scenario import ASKED, MODEL, flights, request

REQUESTS = RowRequests(MODEL.rows.contract, "flight")
ONE = flights().head(1)


def refused(body: bytes) -> list[tuple[int | None, str, str]]:
    """What is wrong with each field."""
    with pytest.raises(RequestRefusedError) as told:
        REQUESTS.frame(body, 10)
    return [tuple(each) for each in told.value.problems]


def test_a_request_has_what_is_known_always_and_nothing_else() -> None:
    assert tuple(REQUESTS.columns) == ASKED
    assert "departure_delay_minutes" not in json.dumps(REQUESTS.json_schema())


def test_rows_come_as_the_contract_has_them_and_their_outcomes_are_null() -> None:
    frame = REQUESTS.frame(request(ONE), 10)
    assert frame.select(ASKED).equals(ONE.select(ASKED))
    assert frame["arrived_at"].null_count() == frame["is_cancelled"].null_count() == 1


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"carrier": None}, "carrier", "is missing"),
        ({"departure_delay_minutes": 5}, "departure_delay_minutes", "is unknown"),
        ({"distance_miles": "200"}, "distance_miles", "Input should be a valid integer"),
        ({"distance_miles": 10**30}, "distance_miles", "Unable to parse input string as an integer"),
        ({"origin": "BOS"}, "origin", "String should match pattern"),
        ({"scheduled_departure_at": "2013-01-10T11:00:00"}, "scheduled_departure_at", "timezone"),
        ({"service_date": "0001-01-01"}, "service_date", "greater than or equal to"),
        ({"scheduled_minutes": 5}, "scheduled_times_are_valid", "does not hold"),
    ],
)
def test_each_wrong_field_is_named(changes: dict[str, object], field: str, problem: str) -> None:
    [(row, named, told)] = refused(request(ONE, **changes))
    assert (row, named) == (0, field)
    assert problem in told or field == "distance_miles"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"rows": []}', b'{"rows": [1]}', b"\xff", b"null"])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    assert refused(body)


def test_an_instant_of_another_time_zone_is_the_same_instant() -> None:
    frame = REQUESTS.frame(request(ONE, scheduled_departure_at="2013-01-10T06:00:00-05:00"), 10)
    assert frame["scheduled_departure_at"].equals(ONE["scheduled_departure_at"])


def test_values_are_not_quoted() -> None:
    assert "secret" not in str(refused(request(ONE, carrier="secret", origin="secret")))


def test_too_many_rows_are_refused_as_too_large() -> None:
    with pytest.raises(RequestRefusedError, match="up to 10 at once") as told:
        REQUESTS.frame(request(flights().head(11)), 10)
    assert told.value.code == "too_large"
