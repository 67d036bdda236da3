"""A look at the store before long work begins, so that a wrong setting is told in seconds."""

from uuid import uuid4

from ml_platform.errors import StorageError
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectStore

_PREFIX = ".probe"


def require_storage(settings: Settings) -> None:
    """Return if tables, landing zone and artifacts can be written, read, listed and deleted; nothing is left there.

    Raises:
        StorageError: one of them cannot, or the store lets one writer overwrite what another has just created.
    """
    location = StorageLocation.of(settings)
    tables = ObjectStore(settings.data_uri, settings.fsspec_options(settings.data_uri))
    for store in (tables, location.landing(), location.artifacts()):
        _try_out(store)
    location.tables().version(f"probe/{uuid4().hex}")  # deltalake has an S3 client of its own


def _try_out(store: ObjectStore) -> None:
    path = f"{_PREFIX}/{uuid4().hex}"
    try:
        created = [store.create_exclusive(path, content) for content in (b"first", b"second")]
        content, listed = store.read(path), [found.path for found in store.list(_PREFIX)]
    finally:
        store.delete(path)
    if created != [True, False] or content != b"first" or path not in listed:
        raise StorageError(
            f"{store.uri} is on a store that does not keep one writer from overwriting another.",
            expected="a second 'create unless it is there' (If-None-Match) of one object to be refused",
            got=f"answers {created}, then {content!r}",
            kept="Nothing was left there.",
            remedy="Use a store with conditional writes, such as AWS S3, MinIO or SeaweedFS.",
        )
