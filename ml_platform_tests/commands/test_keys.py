"""`ml-platform keys`, on the use cases of the repository."""

import pytest
from typer.testing import CliRunner

from ml_platform.cli import app
from ml_platform.errors import UnknownAssetError


@pytest.mark.parametrize("arguments", [["list"], ["discover"], ["remove"]])
def test_a_use_case_without_tables_by_key_is_told_how_to_declare_one(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["keys", *arguments, "flights", *(["north"] if arguments == ["remove"] else [])])
    assert isinstance(result.exception, UnknownAssetError)
    assert "'flights' has no table by key" in str(result.exception)
