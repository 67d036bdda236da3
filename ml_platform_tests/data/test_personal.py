"""A personal value stands in tables and nowhere else: a canary is landed, and everything else is searched for it."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import dataframely as dy
import polars as pl
import pytest
import yaml

from ml_platform.components.use_case import load_use_case
from ml_platform.contracts.columns import MASK, personal
from ml_platform.data.audit import audit
from ml_platform.data.checks import require_all_accepted, require_no_leak
from ml_platform.data.component import DataPipeline
from ml_platform.data.landing import Layout, read_landing
from ml_platform.data.landing_formats import Reading
from ml_platform.data.pipeline import build_pipeline
from ml_platform.errors import ContractViolatedError, LandingError, LeakageError
from ml_platform.point_in_time.audit import KnowledgeAudit, Leak
from ml_platform.settings import PROJECT_ROOT, Settings
from ml_platform.storage.io_managers import DeltaTableIOManager
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform.use_cases.flights import cleaning
from ml_platform_tests.data.departures import arrived
from ml_platform_tests.data.landing_zone import FLIGHT_COLUMNS, flight_line, flights_object, land_days

CANARY = "NCANARY7"
DAY = dt.date(2013, 3, 5)
FLIGHTS = PROJECT_ROOT / "ml_platform" / "use_cases" / "flights"
KEY = dg.AssetKey(["toy", "passengers"])


class Passengers(dy.Schema):
    """One passenger."""

    passport = dy.Int64(primary_key=True, metadata=personal("names a person"))
    name = dy.String(primary_key=True, metadata=personal("names a person"))
    bags = dy.Int64(max=2)


class Home:
    """A platform in a folder, whose history is in files that can be searched."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance, settings = folder, instance, Settings(home=folder)
        pipeline = DataPipeline.model_validate(
            yaml.safe_load((FLIGHTS / "data" / "defs.yaml").read_text())["attributes"]
        )
        use_case = load_use_case(FLIGHTS).model_copy(update={"first_day": DAY})
        resources = dg.Definitions(resources=storage_resources(settings), executor=dg.in_process_executor)
        self.definitions = dg.Definitions.merge(build_pipeline(pipeline, use_case), resources)
        self.location = StorageLocation.of(settings)

    def build(self, flights: bytes) -> dg.ExecuteInProcessResult:
        """A run over one day whose flights are those in the object."""
        land_days(self.location.landing(), [DAY])
        self.location.landing().write(f"flights/flights/{DAY}.csv", flights)
        self._job("refresh_flights_references").execute_in_process(instance=self.instance)
        days = self._job("build_flights_days")
        return days.execute_in_process(instance=self.instance, partition_key=str(DAY), raise_on_error=False)

    def shows(self, value: str) -> list[str]:
        """The files outside of tables and landing zone that hold the value."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        read = (path for path in files if path.relative_to(self.folder).parts[0] not in ("lake", "landing"))
        return [str(path.relative_to(self.folder)) for path in read if value.encode() in path.read_bytes()]

    def _job(self, name: str) -> dg.JobDefinition:
        return self.definitions.resolve_job_def(name)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Path, dg.DagsterInstance]]:
    with dg.instance_for_test(temp_dir=str(_made(tmp_path / "dagster"))) as instance:
        yield tmp_path, instance


def a_flight(number: int, *, delay: int = 5) -> str:
    return flight_line(DAY, number, delay=delay).replace(f"N{number}", CANARY)


def told(object_: bytes) -> str:
    with pytest.raises(LandingError) as caught:
        read_landing(arrived("passengers.csv", None, object_), Layout(Passengers))
    return str(caught.value)


def test_a_day_with_a_quarantined_row_shows_the_value_in_tables_only(folder: tuple[Path, dg.DagsterInstance]) -> None:
    home = Home(*folder)
    assert home.build(flights_object(DAY, [*(a_flight(200 + i) for i in range(9)), a_flight(999, delay=4321)])).success
    rows = home.location.tables().scan("flights/quarantine").collect()
    assert CANARY in rows["row"].item()  # the quarantine is a table: what was refused can be looked up
    assert home.shows(CANARY) == []
    assert home.shows("departure_delay_is_plausible")  # the history is where the search looks


def test_a_refused_day_does_not_show_the_value(
    folder: tuple[Path, dg.DagsterInstance], capfd: pytest.CaptureFixture[str]
) -> None:
    home = Home(*folder)
    assert not home.build(flights_object(DAY, [a_flight(900 + i, delay=4321) for i in range(4)])).success
    printed = capfd.readouterr()
    assert CANARY not in printed.out + printed.err
    assert home.shows(CANARY) == []


def test_a_function_that_fails_on_the_value_does_not_show_it(
    folder: tuple[Path, dg.DagsterInstance], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def clean_flights(flights: pl.LazyFrame, airports: pl.LazyFrame) -> pl.LazyFrame:
        return flights.with_columns(pl.col("tailnum").cast(pl.Int64))

    monkeypatch.setattr(cleaning, "clean_flights", clean_flights)
    home = Home(*folder)
    assert not home.build("\n".join([FLIGHT_COLUMNS, a_flight(200), ""]).encode()).success
    printed = capfd.readouterr()
    assert CANARY not in printed.out + printed.err
    assert home.shows(CANARY) == []
    assert home.shows("failed in column 'tailnum'")


def test_a_value_of_another_type_is_masked() -> None:
    error = told(f"passport,name,bags\n{CANARY},Ann,1\n".encode())
    assert f"'passport' is Int64, 1 value is not, first '{MASK}' in line 2" in error
    assert CANARY not in error


def test_an_object_without_a_header_line_does_not_show_its_first_row() -> None:
    error = told(f"7,{CANARY},1\n8,Bob,2\n".encode())
    assert "is its header line missing?" in error
    assert CANARY not in error


def test_an_object_without_a_header_line_does_not_show_what_its_first_row_holds_twice() -> None:
    error = told(f"{CANARY},{CANARY},1\n8,Bob,2\n".encode())
    assert "the same name for columns 1, 2" in error
    assert CANARY not in error


def test_a_line_that_is_no_record_is_not_shown() -> None:
    with pytest.raises(LandingError) as caught:
        read_landing(arrived("p.jsonl", None, f'["{CANARY}"]\n'.encode()), Layout(Passengers, reading=Reading("jsonl")))
    assert "got a list" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_an_example_of_a_computed_row_is_masked(tmp_path: Path) -> None:
    rows = pl.DataFrame({"passport": [7], "name": [CANARY], "bags": [9]})
    audited = audit(rows, Passengers, table="toy/passengers", partition_column=None, reject_above=0)
    tables = DeltaTableIOManager(location=StorageLocation.of(Settings(home=tmp_path)))
    with pytest.raises(ContractViolatedError) as caught:
        require_all_accepted(audited, Passengers, KEY, tables)
    assert f'"name":"{MASK}","bags":9' in str(caught.value)
    assert CANARY not in str(caught.value)


def test_the_example_of_a_leak_is_masked(tmp_path: Path) -> None:
    leak = Leak("name", dt.datetime(2013, 3, 5, tzinfo=dt.UTC), 1, (7, CANARY), CANARY, None)
    tables = DeltaTableIOManager(location=StorageLocation.of(Settings(home=tmp_path)))
    with pytest.raises(LeakageError) as caught:
        require_no_leak(KnowledgeAudit((leak.cut,), 1, (leak,)), Passengers, KEY, tables)
    assert f"name of {MASK} {MASK}: {MASK} as built, None from" in str(caught.value)
    assert CANARY not in str(caught.value)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
