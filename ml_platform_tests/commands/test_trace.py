import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ml_platform.commands import trace
from ml_platform.errors import RowNotFoundError, UnknownAssetError

pytestmark = pytest.mark.filterwarnings(  # Dagster's own way of reading a defs.yaml
    "ignore:`parse_obj_as` is deprecated"
)

app = typer.Typer()
trace.register(app)


def run(*arguments: str) -> str:
    """What the command prints; its error is raised."""
    return CliRunner().invoke(app, arguments, catch_exceptions=False).output


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ML_PLATFORM_HOME", str(tmp_path))
    return tmp_path


def test_what_was_never_published_is_said() -> None:
    with pytest.raises(UnknownAssetError, match=r"Nothing of flights/clean is there for 2013-11-05\. Materialize"):
        run("trace", "flights/clean", "2013-11-05")


def test_an_asset_that_is_not_there_is_answered_with_those_that_are_near() -> None:
    with pytest.raises(UnknownAssetError, match="flights/delay_predictions"):
        run("trace", "flights/predictions", "2013-11-05")


@pytest.mark.parametrize("row", ["UA", "=UA", "carrier=UA,EWR"])
def test_a_row_that_cannot_be_read_is_refused_before_anything_is_loaded(row: str) -> None:
    with pytest.raises(RowNotFoundError, match="column=value"):
        run("trace", "flights/delay_predictions", "2013-11-05", "--row", row)


def test_events_go_to_a_file_unless_a_setting_says_otherwise(empty_home: Path) -> None:
    said = run("openlineage", "--since", "2013-01-01")
    file = empty_home / "openlineage/events.ndjson"
    assert said.strip() == f"0 events appended to {file}"
    assert [json.loads(line) for line in file.read_text().splitlines()] == []
