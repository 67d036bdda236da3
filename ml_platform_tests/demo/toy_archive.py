"""A source distribution of a few lines, made on the spot."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ml_platform.demo.archive import Archive


def archive_in(folder: Path, members: Mapping[str, bytes]) -> Archive:
    """The archive `toy-1.0.tar.gz` of `members`, lying in `folder`; a member that ends in `.zip` is zipped."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "toy-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            data = _zipped(Path(name).stem, content) if name.endswith(".zip") else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    data = path.read_bytes()
    return Archive("toy==1.0", path.name, len(data), hashlib.sha256(data).hexdigest())


def _zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()
