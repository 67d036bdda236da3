"""The archive is fetched once, and is either the published one or refused."""

import datetime as dt
import zipfile
from pathlib import Path

import pytest

from ml_platform.demo.archive import Archive, fetch, read_members
from ml_platform.demo.bike_upstream import split_by_date
from ml_platform.demo.shown import shown
from ml_platform.errors import DefinitionError, ObjectCorruptError, UpstreamUnavailableError
from ml_platform_tests.demo.toy_archive import archive_in


def test_members_are_read_by_name_and_unzipped(tmp_path: Path) -> None:
    archive = archive_in(tmp_path, {"toy/planes.csv": b"b\n2\n", "toy/flights.csv.zip": b"a\n1\n"})
    members = read_members(fetch(archive, tmp_path), ["toy/planes.csv", "toy/flights.csv.zip"])
    assert members == {"planes.csv": b"b\n2\n", "flights.csv": b"a\n1\n"}


def test_an_archive_of_other_bytes_is_refused(tmp_path: Path) -> None:
    archive = archive_in(tmp_path, {"toy/planes.csv": b"b\n2\n"})
    (tmp_path / archive.file_name).write_bytes(b"something else")
    with pytest.raises(ObjectCorruptError, match=r"is not toy==1.0 as it was published.*got 14 bytes.*Delete the file"):
        fetch(archive, tmp_path)


def test_a_member_that_is_not_there_is_named(tmp_path: Path) -> None:
    archive = archive_in(tmp_path, {"toy/planes.csv": b"b\n2\n"})
    with pytest.raises(ObjectCorruptError, match=r"has no file toy/weather.csv"):
        read_members(fetch(archive, tmp_path), ["toy/weather.csv"])


def test_what_pip_says_is_passed_on_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(UpstreamUnavailableError, match=r"could not download toy==1.0.*No matching distribution"):
        fetch(Archive("toy==1.0", "toy-1.0.tar.gz", 1, "0"), tmp_path / "downloads")
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_wheel_is_read_like_any_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "toy-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("toy/rides.csv", "a\n1\n")
    assert read_members(tmp_path / "toy-1.0-py3-none-any.whl", ["toy/rides.csv"]) == {"rides.csv": b"a\n1\n"}
    with pytest.raises(ObjectCorruptError, match=r"has no file toy/weather.csv"):
        read_members(tmp_path / "toy-1.0-py3-none-any.whl", ["toy/weather.csv"])


def test_the_lines_of_a_date_are_under_the_header_as_they_are() -> None:
    source = b'"date","count"\n2010-09-20,11\n2010-09-21,8\n2010-09-20,13\n'
    assert split_by_date(source)[dt.date(2010, 9, 20)] == b'"date","count"\n2010-09-20,11\n2010-09-20,13\n'


def test_a_use_case_without_an_upstream_is_told_with_those_that_have_one() -> None:
    with pytest.raises(DefinitionError, match=r"no demonstration of 'parking'.*flights, bike_demand"):
        shown("parking")
