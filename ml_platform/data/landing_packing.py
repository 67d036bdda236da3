"""Packed landing objects to what is inside: gzip, Zstandard, and zip with one member, known by the ends of their names.

Belongs here: whether a packed object is whole. Does not: what is inside (`landing_formats`).
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from ml_platform.data.sources import KEPT, LAND_AGAIN
from ml_platform.errors import LandingObjectUnreadableError


def unpacked(data: bytes, name: str) -> bytes:
    """The bytes that stand in the object `name`; `data` itself where its name does not say that it is packed.

    Raises: LandingObjectUnreadableError.
    """
    unpack = _UNPACK.get(name.rpartition(".")[2])
    return unpack(data, name) if unpack and data else data


def unreadable(
    name: str, what: str, *, expected: str = "", got: str = "", remedy: str = LAND_AGAIN
) -> LandingObjectUnreadableError:
    """The error for what cannot be read, told by its name."""
    return LandingObjectUnreadableError(f"{name} {what}", expected=expected, got=got, kept=KEPT, remedy=remedy)


def _gunzip(data: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(data)
    except EOFError as error:
        raise unreadable(name, f"is truncated: the gzip stream of {len(data):,} bytes stops before its end") from error
    except (OSError, zlib.error) as error:
        raise unreadable(name, "cannot be unpacked", expected="a gzip stream", got=str(error)) from error


def _unzstd(data: bytes, name: str) -> bytes:
    import pyarrow as pa  # the standard library of Python 3.11 has no Zstandard

    try:
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            return bytes(stream.read())
    except OSError as error:
        raise unreadable(name, "is truncated or cannot be unpacked", expected="Zstandard", got=str(error)) from error


def _unzip(data: bytes, name: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) != 1:
                raise unreadable(name, "holds several files or none", expected="one", got=str(len(members)))
            return archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise unreadable(name, "is truncated or cannot be unpacked", expected="a zip", got=str(error)) from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or packed in a way that Python does not know
        raise unreadable(name, "cannot be unpacked", expected="a plain zip", got=str(error)) from error


_UNPACK: Mapping[str, Callable[[bytes, str], bytes]] = MappingProxyType({"gz": _gunzip, "zst": _unzstd, "zip": _unzip})
