"""`ml-platform new`: what is guessed from a file, what is written, and what is refused."""

import datetime as dt
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from ml_platform.cli import app
from ml_platform.errors import DefinitionError
from ml_platform.provenance.catalog import each_catalog
from ml_platform.starter.columns import read_file
from ml_platform.starter.landing import objects_of
from ml_platform.starter.plan import Asked, Plan, plan
from ml_platform.starter.writing import files_of, write
from ml_platform_tests.starter.scenario import FIRST_DAY, begun, crossings


def planned(
    tmp_path: Path, text: str = "", *, name: str = "harbour", label: str = "cancelled", **asked: object
) -> Plan:
    file = tmp_path / "crossings.csv"
    file.write_text(text or crossings())
    return plan(name, read_file(file), Asked(label, **asked))  # type: ignore[arg-type]


def test_columns_are_told_by_their_names_in_code_and_guessed_by_what_they_hold(tmp_path: Path) -> None:
    found = planned(tmp_path)
    assert [column.name for column in found.features] == ["ferry", "wind_kt"]
    assert (found.day.name, [key.name for key in found.keys], found.task.kind) == ("date", ["ferry"], "binary")
    assert found.calendar.first_as_of_month == dt.date(2024, 3, 1)
    assert (found.calendar.first_day, found.calendar.window_days) == (FIRST_DAY, 14)


@pytest.mark.parametrize(
    ("values", "kind"), [(("1", "0"), "binary"), (("2.5", "4"), "regression"), (("late", "early"), "multiclass")]
)
def test_the_task_follows_from_the_label(values: tuple[str, str], kind: str, tmp_path: Path) -> None:
    lines = [f"{line},{values[number % 2]}" for number, line in enumerate(crossings().splitlines()[1:])]
    found = planned(tmp_path, "\n".join(["date,ferry,wind,cancelled,outcome", *lines]) + "\n", label="outcome")
    assert found.task.kind == kind


def test_days_without_a_row_are_declared(tmp_path: Path) -> None:
    text = "".join(line for line in crossings().splitlines(keepends=True) if not line.startswith("2024-01-07"))
    assert "days_without_object: ['2024-01-07']" in files_of(planned(tmp_path, text))["data/defs.yaml"]


REFUSED = {
    "a label that is not there": ({"label": "canceled"}, "no column 'canceled', which --label names"),
    "a day that is not there": ({"day": "when"}, "no column 'when', which --day names"),
    "a day of another type": ({"day": "ferry"}, "'ferry' of crossings.csv cannot say which day.*got String"),
    "the day as label": ({"label": "date"}, "'date' is the day"),
    "a key that is not there": ({"keys": ["ship"]}, "no column 'ship', which --key names"),
    "a key that tells no row": ({"keys": ["cancelled"]}, "date, cancelled do not say which row"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_person_says_is_held_against_the_file(case: str, tmp_path: Path) -> None:
    asked, told = REFUSED[case]
    with pytest.raises(DefinitionError, match=told):
        planned(tmp_path, **asked)  # type: ignore[arg-type]


def test_too_few_days_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="too few days: 2024-01-01 to 2024-01-20"):
        planned(tmp_path, crossings(20))


@pytest.mark.parametrize("name", ["Harbour", "2nd", "two words", "class", ""])
def test_a_name_that_no_package_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="cannot be the name of a use case"):
        write(planned(tmp_path, name=name), tmp_path / "use_cases")
    assert not (tmp_path / "use_cases").exists()


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path) -> None:
    begun(tmp_path / "use_cases", ["moored"])
    with pytest.raises(DefinitionError, match="moored is there already"):
        begun(tmp_path / "use_cases", ["moored"])


def test_what_is_written_is_formatted_and_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_USE_CASES", str(tmp_path / "use_cases"))
    begun(tmp_path / "use_cases", ["lighthouse"])
    (catalog,) = each_catalog(strict=True).sound
    assert {"lighthouse/raw", "lighthouse/clean", "lighthouse/features"} < catalog.tables.keys()
    for arguments in (("format", "--check"), ("check", "--ignore", "I001")):
        command = [sys.executable, "-m", "ruff", *arguments, "--line-length", "120", str(tmp_path / "use_cases")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_a_file_lands_as_one_object_a_day_with_its_lines_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_USE_CASES", str(tmp_path / "use_cases"))
    begun(tmp_path / "use_cases", ["lagoon"])
    objects = objects_of(tmp_path / "crossings.csv", each_catalog().sound[0])
    assert len(objects) == 70
    day = objects["lagoon/2024-01-02.csv"].decode()
    assert day == "date,ferry,wind (kt),cancelled\n2024-01-02,Anna,1.5,0\n2024-01-02,Berit,1.5,0\n"


def test_the_command_writes_below_the_folder_of_use_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_USE_CASES", str(tmp_path / "use_cases"))
    (tmp_path / "crossings.csv").write_text(crossings())
    command = ["new", "dock", "--from", str(tmp_path / "crossings.csv"), "--label", "cancelled"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert "dock predicts cancelled, a binary outcome" in done.stdout
    assert (tmp_path / "use_cases" / "dock" / "serving" / "defs.yaml").is_file()


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"no\.csv cannot be read"):
        read_file(tmp_path / "no.csv")


def test_empty_columns_and_instants_become_columns_of_the_contract(tmp_path: Path) -> None:
    lines = [f"{line},2024-01-01 10:00:00," for line in crossings().splitlines()[1:]]
    text = "\n".join(["date,ferry,wind,cancelled,seen at,remark", *lines]) + "\n"
    contract = files_of(planned(tmp_path, text))["contract.py"]
    assert 'seen_at = dy.String(alias="seen at", nullable=True, description="Seen at.")' in contract
    assert 'seen_at = dy.Datetime(time_zone="UTC", time_unit="us", metadata=ALWAYS' in contract
    assert pl.String() in [column.dtype for column in read_file(tmp_path / "crossings.csv").columns]
